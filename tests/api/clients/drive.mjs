// Drives the installed TypeScript client, as drive.py does the Python one.
import { ApiError, Vitrine, VitrineError } from "vitrine-client";

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

function value(saved, given) {
  if (typeof given === "string" && given.startsWith("$")) return saved[given.slice(1)];
  if (Array.isArray(given) || given === null || typeof given !== "object") return given;
  return Object.fromEntries(Object.entries(given).map(([name, part]) => [name, value(saved, part)]));
}

async function outcome(shop, call, saved) {
  const given = (call.args ?? []).map((argument) => value(saved, argument));
  if (call.body) given.push(value(saved, call.body));
  if (call.query) given.push(call.query);
  try {
    const reply = await shop[camel(call.call)](...given);
    for (const [name, field] of Object.entries(call.save ?? {})) saved[name] = reply[field];
    return { ok: Object.fromEntries(Object.keys(call.check ?? {}).map((name) => [name, reply[name]])) };
  } catch (error) {
    if (error instanceof ApiError)
      return {
        error: error.name,
        status: error.status,
        field: error.errors[0]?.field ?? null,
        count: error.problem?.count ?? null,
        detail: error.problem?.detail ?? null,
        retry_after: error.retryAfter ?? null,
      };
    if (error instanceof VitrineError) return { error: error.name, status: null };
    throw error;
  }
}

const [url, key, what, more, timeout = "10", retries = "3"] = process.argv.slice(2);
const shop = new Vitrine(url, { key, timeout: Number(timeout), retries: Number(retries) });

async function main() {
  if (what === "events") {
    const events = shop.events(3, 0);
    for (let i = 0; i < Number(more); i++)
      events.add({ type: "view", user_id: "u", item_id: `i-${i}` });
    await events.close();
    const { accepted, duplicate, rejected } = events;
    return { accepted, duplicate, rejected: rejected.length };
  }
  if (what === "pages") {
    const ids = [];
    for await (const row of shop.pages((page) => shop.listItems({ limit: 7, ...page })))
      ids.push(row.item_id);
    return ids;
  }
  const { saved, calls } = JSON.parse(what);
  const outcomes = [];
  for (const call of calls) outcomes.push(await outcome(shop, call, saved));
  return outcomes;
}

console.log(JSON.stringify(await main()));
