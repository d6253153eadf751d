/* The tracker: sends impressions, clicks and other events in batches to the events API.
 *
 *   <script src="https://vitrine.example/static/vitrine.js" data-key="vp_…" data-user="u-5521"
 *           defer></script>
 *
 * Lists: data-vitrine-list="r-20ab…" data-vitrine-placement="home_top" on the element around the
 * products, data-vitrine-item="SKU-1" on each product. Search results: data-vitrine-query="q-77…"
 * instead. What was clicked in a list or result is credited to it when it is bought.
 * Impression: half of the product was in view for a second. Click: a link in it was followed.
 * data-session: the shop's own id of the visit; else the tracker makes one (vitrine.session()).
 * data-consent="ask": nothing is stored or sent before vitrine.consent(true).
 */
(() => {
  const script = document.currentScript;
  const options = script ? script.dataset : {};
  const base = options.api || new URL("../api/v1/", script ? script.src : location.href).href;
  const STORE = "vitrine";
  const BATCH = 50;
  const FLUSH_MS = 2000;
  const LONGEST_WAIT_MS = 60000;
  const IN_VIEW_MS = 1000;
  const MOST_WAITING = 500;
  const MOST_CLICKED = 100;
  const LISTS = "[data-vitrine-list], [data-vitrine-query]";
  const SESSION_MS = 30 * 60 * 1000;
  const uuid = () =>
    crypto.randomUUID
      ? crypto.randomUUID()
      : Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) =>
          b.toString(16).padStart(2, "0"),
        ).join("");
  let agreed = options.consent !== "ask" && options.consent !== "false";
  let user = options.user || null;
  let waiting = [];
  let sending = false;
  let wait = FLUSH_MS;
  let timer = 0;
  let memory = {};

  const stored = () => {
    try {
      return JSON.parse(localStorage.getItem(STORE)) || {};
    } catch {
      return memory;
    }
  };
  const store = (change) => {
    memory = { ...stored(), ...change };
    try {
      localStorage.setItem(STORE, JSON.stringify(memory));
    } catch {
      /* private mode */
    }
  };
  const session = () => {
    if (options.session) return options.session;
    const { id, at } = stored();
    const now = Date.now();
    const current = id && now - at < SESSION_MS ? id : "s-" + uuid();
    store({ id: current, at: now });
    return current;
  };

  function add(type, items, more = {}) {
    if (!agreed || (!items.length && type !== "search")) return;
    const event = {
      event_id: uuid(),
      type,
      session_id: session(),
      occurred_at: new Date().toISOString(),
      ...more,
    };
    if (user) event.user_id = user;
    if (items.length) event.items = items;
    waiting = [...waiting, event].slice(-MOST_WAITING);
    store({ waiting });
    if (waiting.length >= BATCH) flush();
    else later(FLUSH_MS);
  }

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(flush, ms);
  }

  async function flush() {
    if (sending || !waiting.length) return;
    const batch = waiting.slice(0, BATCH);
    const sent = new Set(batch.map((e) => e.event_id));
    sending = true;
    try {
      const reply = await fetch(base + "events", {
        method: "POST",
        keepalive: true,
        credentials: "omit",
        body: JSON.stringify({ events: batch }),
        headers: { "Content-Type": "application/json", Authorization: "Bearer " + options.key },
      });
      if (reply.status === 429 || reply.status >= 500) throw reply.status;
      waiting = waiting.filter((e) => !sent.has(e.event_id));
      store({ waiting });
      wait = FLUSH_MS;
    } catch {
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
    sending = false;
    if (waiting.length) later(wait);
  }

  function sendBeacons() {
    while (waiting.length) {
      const batch = waiting.slice(0, BATCH);
      const body = JSON.stringify({ key: options.key, events: batch });
      if (!navigator.sendBeacon(base + "collect", body)) break;
      waiting = waiting.slice(batch.length);
    }
    store({ waiting });
  }

  const itemAndList = (element) => {
    const item = { item_id: element.dataset.vitrineItem };
    const list = element.closest(LISTS);
    if (!list) return [item, {}];
    const at = [...list.querySelectorAll("[data-vitrine-item]")].indexOf(element) + 1;
    const position = +element.dataset.vitrinePosition || at;
    if (position) item.position = position;
    const { vitrineList, vitrineQuery, vitrinePlacement } = list.dataset;
    if (vitrineQuery) return [item, { query_id: vitrineQuery }];
    return [item, { recommendation_id: vitrineList, placement: vitrinePlacement }];
  };

  /* The list or search where each product was clicked last. */
  const remember = (item_id, list) => {
    const others = Object.entries(stored().clicked || {}).filter(([id]) => id !== item_id);
    const newest = [...others, [item_id, list]].slice(-MOST_CLICKED);
    store({ clicked: Object.fromEntries(newest) });
  };
  const cited = (items) => {
    const clicked = stored().clicked || {};
    const lists = items.map(({ item_id }) => clicked[item_id]).filter(Boolean);
    const ids = new Set(lists.map((list) => list.query_id || list.recommendation_id));
    return ids.size === 1 ? lists[0] : {};
  };

  const due = new Map();
  const reported = new WeakSet();
  const observer = new IntersectionObserver(
    (entries) =>
      entries.forEach(({ target, isIntersecting }) => {
        clearTimeout(due.get(target));
        due.delete(target);
        if (isIntersecting && !reported.has(target))
          due.set(target, setTimeout(addImpression, IN_VIEW_MS, target));
      }),
    { threshold: 0.5 },
  );

  let impressions = new Map();
  function addImpression(element) {
    reported.add(element);
    observer.unobserve(element);
    const [item, list] = itemAndList(element);
    const key = list.query_id || list.recommendation_id || "";
    if (!impressions.size) setTimeout(sendImpressions, 200);
    impressions.set(key, [[...(impressions.get(key)?.[0] || []), item], list]);
  }
  function sendImpressions() {
    impressions.forEach(([items, list]) => add("impression", items, list));
    impressions = new Map();
  }

  const watch = (root) =>
    root
      .querySelectorAll?.(`:is(${LISTS}) [data-vitrine-item]`)
      .forEach((element) => reported.has(element) || observer.observe(element));
  const start = () => {
    watch(document);
    new MutationObserver(() => watch(document)).observe(document.body, {
      childList: true,
      subtree: true,
    });
    document.addEventListener(
      "click",
      (event) => {
        const element = event.target.closest?.("a, button")?.closest("[data-vitrine-item]");
        if (element && element.closest(LISTS)) {
          const [item, list] = itemAndList(element);
          if (agreed) remember(item.item_id, list);
          add("click", [item], list);
        }
      },
      true,
    );
    if (agreed && stored().waiting?.length) {
      waiting = [...stored().waiting, ...waiting].slice(-MOST_WAITING);
      later(0);
    }
    if (options.view) api.view(options.view);
  };
  addEventListener("pagehide", () => {
    sendImpressions();
    sendBeacons();
  });
  document.addEventListener(
    "visibilitychange",
    () => document.visibilityState === "hidden" && (sendImpressions(), sendBeacons()),
  );

  const one =
    (type) =>
    (item_id, more = {}) =>
      add(type, [{ item_id, ...more }]);
  const api = (window.vitrine = {
    view: one("view"),
    click: one("click"),
    basket: (item_id, more = {}) =>
      add("add_to_cart", [{ item_id, ...more }], cited([{ item_id }])),
    unbasket: one("remove_from_cart"),
    like: one("share"),
    dislike: one("dislike"),
    rate: (item_id, rating) => add("rating", [{ item_id, rating }]),
    purchase: (items, more = {}) => add("purchase", items, { ...cited(items), ...more }),
    search: (query, more = {}) => add("search", [], { query, ...more }),
    identify: (id) => {
      user = id || null;
    },
    consent: (yes) => {
      agreed = !!yes;
      if (!agreed) {
        waiting = [];
        try {
          localStorage.removeItem(STORE);
        } catch {
          /* private mode */
        }
      }
    },
    session,
    flush,
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
