#!/bin/sh
# Everything CI runs. Installs a browser where there is none, and says what could not be run.
set -e
PY=${PY:-.venv/bin/python}
unset VITRINE_HOME
if ! command -v chromium >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends chromium >/dev/null
    else
        $PY -m playwright install chromium
    fi || { echo "no browser could be installed: the browser tests will not run"; [ -z "$CI" ] || exit 1; }
fi
# Two processes, each with servers of its own; one where servers are brought along.
[ -n "$DATABASE_URL" ] || parallel="-n 2 --dist loadfile"
export OMP_NUM_THREADS=1
exec $PY -m pytest $parallel "$@"
