/* Vitrine's tracker: what shoppers see and do, sent in batches to the shop's own Vitrine. No dependency.
 *
 *   <script src="https://vitrine.example/static/vitrine.js" data-key="vp_…" data-user="u-5521" defer></script>
 *
 * Lists are found by attributes: data-vitrine-list="r-20ab…" data-vitrine-placement="home_top" around products with data-vitrine-item="SKU-1".
 * A product counts as seen when half of it stood in view for a second, and as clicked when a link in it is followed.
 * data-session: the shop's own id of the visit, where it has one; else the tracker makes one (vitrine.session() tells it).
 * data-consent="ask": nothing is kept or sent before vitrine.consent(true).
 */
(() => {
  const script = document.currentScript, options = script ? script.dataset : {};
  const base = options.api || new URL("../api/v1/", script ? script.src : location.href).href;
  const STORE = "vitrine", BATCH = 50, EVERY = 2000, SEEN_MS = 1000, MOST_WAITING = 500, SESSION_MS = 30 * 60 * 1000;
  const uuid = () => crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, "0")).join("");
  let agreed = options.consent !== "ask" && options.consent !== "false", user = options.user || null, waiting = [], sending = false, wait = EVERY, timer = 0, memory = {};

  const kept = () => { try { return JSON.parse(localStorage.getItem(STORE)) || {}; } catch { return memory; } };
  const keep = change => { memory = { ...kept(), ...change }; try { localStorage.setItem(STORE, JSON.stringify(memory)); } catch { /* private mode */ } };
  const session = () => {
    if (options.session) return options.session;
    const { id, at } = kept(), now = Date.now();
    const own = id && now - at < SESSION_MS ? id : "s-" + uuid();
    keep({ id: own, at: now });
    return own;
  };

  function add(type, items, more = {}) {
    if (!agreed || !items.length && type !== "search") return;
    const event = { event_id: uuid(), type, session_id: session(), occurred_at: new Date().toISOString(), ...more };
    if (user) event.user_id = user;
    if (items.length) event.items = items;
    waiting = [...waiting, event].slice(-MOST_WAITING);
    keep({ waiting });
    if (waiting.length >= BATCH) flush(); else later(EVERY);
  }

  function later(ms) { clearTimeout(timer); timer = setTimeout(flush, ms); }

  async function flush() {
    if (sending || !waiting.length) return;
    const batch = waiting.slice(0, BATCH), sent = new Set(batch.map(e => e.event_id));
    sending = true;
    try {
      const reply = await fetch(base + "events", {
        method: "POST", keepalive: true, credentials: "omit", body: JSON.stringify({ events: batch }),
        headers: { "Content-Type": "application/json", Authorization: "Bearer " + options.key },
      });
      if (reply.status === 429 || reply.status >= 500) throw reply.status;
      waiting = waiting.filter(e => !sent.has(e.event_id));
      keep({ waiting });
      wait = EVERY;
    } catch { wait = Math.min(wait * 2, 60000); }
    sending = false;
    if (waiting.length) later(wait);
  }

  function leave() {
    while (waiting.length) {
      const batch = waiting.slice(0, BATCH);
      if (!navigator.sendBeacon(base + "collect", JSON.stringify({ key: options.key, events: batch }))) break;
      waiting = waiting.slice(batch.length);
    }
    keep({ waiting });
  }

  const around = element => {
    const list = element.closest("[data-vitrine-list]"), at = list ? [...list.querySelectorAll("[data-vitrine-item]")].indexOf(element) + 1 : 0;
    return [{ item_id: element.dataset.vitrineItem, ...(at && { position: +element.dataset.vitrinePosition || at }) },
      list ? { recommendation_id: list.dataset.vitrineList, placement: list.dataset.vitrinePlacement } : {}];
  };

  const due = new Map(), told = new WeakSet();
  const eye = new IntersectionObserver(entries => entries.forEach(({ target, isIntersecting }) => {
    clearTimeout(due.get(target));
    due.delete(target);
    if (isIntersecting && !told.has(target)) due.set(target, setTimeout(() => see(target), SEEN_MS));
  }), { threshold: 0.5 });

  let seen = new Map();
  function see(element) {
    told.add(element);
    eye.unobserve(element);
    const [item, list] = around(element), key = list.recommendation_id || "";
    if (!seen.size) setTimeout(tellSeen, 200);
    seen.set(key, [[...(seen.get(key)?.[0] || []), item], list]);
  }
  function tellSeen() {
    seen.forEach(([items, list]) => add("impression", items, list));
    seen = new Map();
  }

  const watch = root => root.querySelectorAll?.("[data-vitrine-list] [data-vitrine-item]").forEach(element => told.has(element) || eye.observe(element));
  const start = () => {
    watch(document);
    new MutationObserver(() => watch(document)).observe(document.body, { childList: true, subtree: true });
    document.addEventListener("click", event => {
      const element = event.target.closest?.("a, button")?.closest("[data-vitrine-item]");
      if (element && element.closest("[data-vitrine-list]")) { const [item, list] = around(element); add("click", [item], list); }
    }, true);
    if (agreed && kept().waiting?.length) { waiting = [...kept().waiting, ...waiting].slice(-MOST_WAITING); later(0); }
    if (options.view) api.view(options.view);
  };
  addEventListener("pagehide", () => { tellSeen(); leave(); });
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && (tellSeen(), leave()));

  const one = (type) => (item_id, more = {}) => add(type, [{ item_id, ...more }]);
  const api = window.vitrine = {
    view: one("view"), click: one("click"), basket: one("add_to_cart"), unbasket: one("remove_from_cart"), like: one("share"), dislike: one("dislike"),
    rate: (item_id, rating) => add("rating", [{ item_id, rating }]),
    purchase: (items, more = {}) => add("purchase", items, more),
    search: (query, more = {}) => add("search", [], { query, ...more }),
    identify: id => { user = id || null; },
    consent: yes => { agreed = !!yes; if (!agreed) { waiting = []; try { localStorage.removeItem(STORE); } catch { /* private mode */ } } },
    session, flush,
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
