/** Events in batches: collected in memory, sent together, each once. */
import { ApiError, VitrineError } from "./errors.js";
import type { components } from "./schema.js";

type Whole = components["schemas"]["EventRequest"];
type Reply = components["schemas"]["EventsReply"];
/** Statuses of a call that is refused again however often it is sent. */
const REFUSED = new Set([400, 413, 422]);

/** An event; `event_id` and `occurred_at` are set where they are missing. */
export type NewEvent = Omit<Whole, "event_id" | "occurred_at" | "simulated"> &
  Partial<Pick<Whole, "event_id" | "occurred_at" | "simulated">>;

/**
 * Collects events and sends them at `size`, each `seconds`, and on `close`.
 *
 * Events of a call that fails stay, and are sent with the next one, with the same `event_id`.
 */
export class EventBatch {
  readonly waiting: Whole[] = [];
  /** Results of events that the server refused, with the field and the reason. */
  readonly rejected: Reply["results"] = [];
  accepted = 0;
  duplicate = 0;
  #sending: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(
    private readonly send: (events: Whole[]) => Promise<Reply>,
    private readonly size = 500,
    private readonly seconds = 1,
    private readonly mostWaiting = 100_000,
  ) {}

  /** Add an event; returns its id. */
  add(event: NewEvent): string {
    if (this.#closed) throw new VitrineError("the batch is closed");
    if (this.waiting.length >= this.mostWaiting)
      throw new VitrineError(`${this.waiting.length} events wait already`);
    const whole = {
      event_id: crypto.randomUUID(),
      occurred_at: new Date().toISOString(),
      simulated: false,
      ...event,
    };
    this.waiting.push(whole);
    if (this.seconds && this.#timer === undefined)
      this.#timer = setInterval(() => void this.flush().catch(() => {}), this.seconds * 1000);
    if (this.waiting.length >= this.size) void this.flush().catch(() => {});
    return whole.event_id;
  }

  /** Send what waits. Rejects where that fails; the events then still wait. */
  flush(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const events = this.waiting.slice(0, this.size);
      await this.#sendOrSplit(events);
      this.waiting.splice(0, events.length);
    }
  }

  /** Send events; where they are refused as a whole, halves of them, down to the one. */
  async #sendOrSplit(events: Whole[]): Promise<void> {
    try {
      const reply = await this.send(events);
      this.accepted += reply.accepted;
      this.duplicate += reply.duplicate;
      this.rejected.push(...reply.results.filter((row) => row.status === "rejected"));
    } catch (error) {
      if (!(error instanceof ApiError && REFUSED.has(error.status))) throw error;
      const [first, ...others] = events;
      if (first !== undefined && others.length === 0) {
        const reason = { field: "event", message: error.message };
        this.rejected.push({ event_id: first.event_id, status: "rejected", error: reason });
        return;
      }
      const middle = Math.floor(events.length / 2);
      await this.#sendOrSplit(events.slice(0, middle));
      await this.#sendOrSplit(events.slice(middle));
    }
  }

  /** Send what waits and stop. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#sending?.catch(() => {});
    await this.flush();
  }
}
