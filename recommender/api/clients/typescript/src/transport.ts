/** `fetch` with a time limit, which repeats what may be repeated: after 429, 503, lost connections. */
import { Unreachable } from "./errors.js";

const REPEATED = new Set([429, 502, 503, 504]);
const READING = ["/rerank", "/predictions", "/events", "/collect", ":batch", ":delete"];
const FIRST_WAIT = 0.25;
const LONGEST_WAIT = 30;

/** Whether a request has the same effect when it is sent twice. */
export function mayRepeat(request: Request): boolean {
  if (["GET", "HEAD", "PUT", "PATCH", "DELETE"].includes(request.method)) return true;
  const path = new URL(request.url).pathname;
  return (
    request.headers.has("idempotency-key") ||
    path.includes("/recommendations") ||
    READING.some((end) => path.endsWith(end))
  );
}

/** Seconds until the next attempt: what the reply says, else a doubling, jittered pause. */
function pause(attempt: number, retryAfter: string | null): number {
  const told = Number.parseFloat(retryAfter ?? "");
  if (Number.isFinite(told)) return Math.min(told, LONGEST_WAIT);
  return Math.min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * (0.5 + Math.random() / 2);
}

export function repeatingFetch(
  timeout: number,
  retries: number,
  inner: typeof fetch = fetch,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const attempts = 1 + (mayRepeat(request) ? retries : 0);
    for (let attempt = 1; ; attempt++) {
      let retryAfter: string | null = null;
      try {
        const response = await inner(request.clone(), { signal: AbortSignal.timeout(timeout * 1000) });
        if (attempt > 1 && request.method === "DELETE" && response.status === 404)
          return new Response(null, { status: 204 }); // the lost reply was a deletion
        if (!REPEATED.has(response.status) || attempt === attempts) return response;
        retryAfter = response.headers.get("retry-after");
        await response.body?.cancel();
      } catch (error) {
        if (attempt === attempts) throw new Unreachable(String(error), { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, pause(attempt, retryAfter) * 1000));
    }
  };
}
