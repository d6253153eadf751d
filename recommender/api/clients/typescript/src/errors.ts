/** Errors of calls, by the status of the reply. */
import type { components } from "./schema.js";

export type Problem = components["schemas"]["Problem"];

/** Base of all errors of this package. */
export class VitrineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No reply came: the connection failed, or the time limit passed, at the last attempt too. */
export class Unreachable extends VitrineError {}

/** The reply is an error. `problem` is undefined where the body is none, such as the page of a proxy. */
export class ApiError extends VitrineError {
  constructor(
    readonly status: number,
    readonly problem: Problem | undefined,
    /** Seconds after which to try again, of 429 and 503. */
    readonly retryAfter: number | undefined,
  ) {
    super(problem?.detail ?? `status ${status}`);
  }

  /** The invalid fields of the request, with a message each. */
  get errors(): NonNullable<Problem["errors"]> {
    return this.problem?.errors ?? [];
  }
}

/** 400: a field or the body is not as described; `errors` names each. */
export class BadRequest extends ApiError {}
/** 401: there is no key, or it is not known, or it has expired. */
export class Unauthorized extends ApiError {}
/** 403: the key lacks the scope. */
export class Forbidden extends ApiError {}
/** 404: what the address or a field names is not there. */
export class NotFound extends ApiError {}
/** 409: right, but not in the state that things are in; `problem.count` of a purge. */
export class Conflict extends ApiError {}
/** 413: the body is too large. */
export class TooLarge extends ApiError {}
/** 429: too many requests with this key. */
export class RateLimited extends ApiError {}
/** 503: the server cannot answer now. */
export class Unavailable extends ApiError {}

const BY_STATUS: Record<number, typeof ApiError> = {
  400: BadRequest,
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  413: TooLarge,
  429: RateLimited,
  503: Unavailable,
};

/** The error of a reply; `body` is its parsed JSON, or a text. */
export function failure(response: Response, body: unknown): ApiError {
  const isProblem = typeof body === "object" && body !== null && "detail" in body;
  const seconds = Number.parseFloat(response.headers.get("retry-after") ?? "");
  const Kind = BY_STATUS[response.status] ?? ApiError;
  return new Kind(
    response.status,
    isProblem ? (body as Problem) : undefined,
    Number.isFinite(seconds) ? seconds : undefined,
  );
}
