/** The client: a method per operation, typed errors, retries, batches of events, pages. */
import createClient, { type Client } from "openapi-fetch";

import { EventBatch } from "./batching.js";
import { failure, Unreachable, VitrineError } from "./errors.js";
import { Operations } from "./operations.js";
import type { paths } from "./schema.js";
import { repeatingFetch } from "./transport.js";

export interface Options {
  /** A key of the shop. */
  key: string;
  /** Seconds of an attempt; 10 by default. */
  timeout?: number;
  /** Attempts after the first, of calls that may be repeated; 3 by default. */
  retries?: number;
  /** Another `fetch`, for tests and proxies. */
  fetch?: typeof fetch;
}

interface Page<Row> {
  items: Row[];
  next_cursor: string | null;
}

export class Vitrine extends Operations {
  readonly client: Client<paths>;

  constructor(baseUrl: string, options: Options) {
    super();
    const { timeout = 10, retries = 3 } = options;
    this.client = createClient<paths>({
      baseUrl: baseUrl.replace(/\/+$/, ""),
      headers: { authorization: `Bearer ${options.key}` },
      fetch: repeatingFetch(timeout, retries, options.fetch),
    });
  }

  /** The data of a reply; throws the typed error of any other. */
  protected async unwrap<T>(
    call: Promise<{ data?: T; error?: unknown; response: Response }>,
  ): Promise<T> {
    let reply;
    try {
      reply = await call;
    } catch (error) {
      if (error instanceof VitrineError) throw error;
      if (error instanceof SyntaxError)
        throw new VitrineError(`the reply is not one of Vitrine: ${error}`, { cause: error });
      throw new Unreachable(String(error), { cause: error });
    }
    const { data, error, response } = reply;
    if (!response.ok) throw failure(response, error);
    return data as T;
  }

  /** An id in an address; `.` and `..` cannot stand there. */
  protected id(value: string): string {
    if (value === "." || value === "..")
      throw new VitrineError("the ids . and .. cannot stand in an address; send them in a batch");
    return value;
  }

  /** A batch of events; `close` it at the end. */
  events(size = 500, seconds = 1): EventBatch {
    return new EventBatch((events) => this.sendEvents({ events }), size, seconds);
  }

  /** All rows of a collection: `shop.pages((page) => shop.listItems({ filter: "…", ...page }))`. */
  async *pages<Row>(
    list: (page: { cursor?: string }) => Promise<Page<Row>>,
  ): AsyncGenerator<Row, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const page = await list(cursor ? { cursor } : {});
      yield* page.items;
      cursor = page.next_cursor;
    } while (cursor);
  }
}
