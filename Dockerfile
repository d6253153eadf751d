# One image for web, worker and beat. Not yet built on a machine with Docker: untested.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 VITRINE_HOME=/data DJANGO_SETTINGS_MODULE=ecomsite.settings
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir uv==0.13.9 && useradd --create-home vitrine && mkdir /data && chown vitrine /data
WORKDIR /app
COPY requirements.txt .
# cpu or, for the GPU worker, auto
ARG TORCH_BACKEND=cpu
RUN uv pip install --system --no-cache --compile-bytecode --torch-backend "$TORCH_BACKEND" -r requirements.txt
COPY --chown=vitrine . .
USER vitrine
EXPOSE 8000
CMD ["sh", "-c", "python manage.py migrate && python manage.py collectstatic --no-input && python manage.py serve --host 0.0.0.0 --port 8000"]
