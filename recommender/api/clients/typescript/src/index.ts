export { EventBatch, type NewEvent } from "./batching.js";
export * from "./errors.js";
export type { components, operations, paths } from "./schema.js";
export { type Options, Vitrine } from "./vitrine.js";
