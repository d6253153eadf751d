// The chat corner: questions to the service desk from any page of the shop, with a public key.
//
//   <script src="https://vitrine.example/static/vitrine-chat.js" data-key="vp_…"
//     data-session="the visit" data-item="id of the page's product" data-order="order token"
//     data-user="the token's shopper" data-product="/p/ITEM" defer></script>
//
// Texts are shown as text, never as markup. Styles live in a shadow root, so pages keep theirs.
(() => {
  const script = document.currentScript;
  const { key, session, item, order, user, product } = script.dataset;
  const api = script.dataset.api || new URL("../api/v1/", script.src).href;
  const KEPT = `vitrine-chat-${session}`;
  const POLL_MS = 5000;
  const LONGEST = 2000;
  const WORDS = {
    en: {
      open: "Help",
      title: "Help",
      close: "Close",
      hello: "Hello! What can we help you with?",
      write: "Your question",
      send: "Send",
      person: "Talk to a person",
      personSaid: "I want to talk to a person",
      helped: "Did this help?",
      yes: "Yes",
      no: "No",
      thanks: "Thank you.",
      sorry: "Sorry. You can write it in other words, or talk to a person.",
      shopper: "You",
      engine: "Shop",
      human: "Colleague",
      failed: "That did not arrive. Please try again.",
      closed: "The conversation was closed.",
    },
    zh: {
      open: "客服",
      title: "客服",
      close: "关闭",
      hello: "您好！请问有什么可以帮您？",
      write: "您的问题",
      send: "发送",
      person: "转人工",
      personSaid: "转人工",
      helped: "有帮助吗？",
      yes: "有",
      no: "没有",
      thanks: "谢谢。",
      sorry: "抱歉。您可以换个说法，或转人工客服。",
      shopper: "您",
      engine: "店铺",
      human: "客服",
      failed: "发送失败，请重试。",
      closed: "会话已结束。",
    },
  };
  const language = (script.dataset.lang || document.documentElement.lang || "en").slice(0, 2);
  const words = WORDS[language] || WORDS.en;
  const STYLE = `
    :host { --ground: #fff; --ink: #1f2328; --quiet: #59636e; --line: #d1d9e0; --accent: #1f4e79;
      --on: #fff; color-scheme: light dark; position: fixed; right: 16px; bottom: 16px;
      z-index: 2147483000; font: 15px/1.5 system-ui, sans-serif; }
    @media (prefers-color-scheme: dark) { :host { --ground: #1b1f24; --ink: #e6edf3;
      --quiet: #9aa4af; --line: #3d444d; --accent: #9ecbff; --on: #10151b; } }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    button, input { font: inherit; min-height: 44px; border-radius: 8px; padding: 8px 14px; }
    button { border: 1px solid var(--line); background: var(--ground); color: var(--ink);
      cursor: pointer; }
    button.main { background: var(--accent); color: var(--on); border-color: var(--accent); }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    section { width: min(380px, calc(100vw - 32px)); height: min(560px, calc(100vh - 32px));
      display: flex; flex-direction: column; background: var(--ground); color: var(--ink);
      border: 1px solid var(--line); border-radius: 12px; box-shadow: 0 8px 32px #0004; }
    header, form, .foot { display: flex; gap: 8px; align-items: center; padding: 8px 12px; }
    header { border-bottom: 1px solid var(--line); }
    h2 { font-size: 16px; margin: 0 auto 0 0; }
    .log { flex: 1; overflow-y: auto; padding: 12px; }
    .said { margin: 0 0 12px; overflow-wrap: anywhere; }
    .said p { margin: 0; white-space: pre-line; }
    .who, .note { color: var(--quiet); font-size: 13px; }
    .shopper { padding-left: 10px; border-left: 3px solid var(--accent); }
    ul { margin: 4px 0; padding-left: 18px; }
    a { color: var(--accent); }
    form { border-top: 1px solid var(--line); }
    input { flex: 1; min-width: 0; border: 1px solid var(--quiet); background: var(--ground);
      color: var(--ink); }
    .ask { display: flex; gap: 8px; align-items: center; margin-top: 4px; }
    .ask button { min-height: 36px; padding: 4px 12px; }`;

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes))
      if (value !== null && value !== false) made.setAttribute(attribute, value);
    made.append(...children);
    return made;
  };
  const call = async (path, body) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const reply = await fetch(api + path, {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
    });
    const answer = await reply.json();
    if (!reply.ok) throw Object.assign(new Error(answer.detail), { status: reply.status });
    return answer;
  };
  const stored = (value) => {
    try {
      if (value !== undefined) sessionStorage.setItem(KEPT, JSON.stringify(value));
      return JSON.parse(sessionStorage.getItem(KEPT)) || {};
    } catch {
      return {}; // pages may forbid storage; the chat then lasts as long as the page
    }
  };

  const host = element("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const open = element("button", { class: "main", type: "button", "aria-expanded": "false" });
  open.append(words.open);
  const close = element("button", { type: "button" }, words.close);
  const log = element("div", { class: "log", role: "log", "aria-live": "polite", tabindex: "0" });
  const input = element("input", {
    "aria-label": words.write,
    placeholder: words.write,
    maxlength: LONGEST,
    autocomplete: "off",
  });
  const send = element("button", { class: "main", type: "submit" }, words.send);
  const form = element("form", {}, input, send);
  const person = element("button", { type: "button" }, words.person);
  const panel = element(
    "section",
    { role: "dialog", "aria-label": words.title, hidden: "" },
    element("header", {}, element("h2", {}, words.title), close),
    log,
    element("div", { class: "foot" }, person),
    form,
  );
  root.append(panel, open);
  document.body.append(host);

  let conversation = stored().conversation;
  const shown = new Set();
  let isRestored = !conversation;
  let isBusy = false;
  let timer = 0;

  const link = (url, text) =>
    /^https?:\/\//.test(url || "") || url?.startsWith("/")
      ? element("a", { href: url }, text)
      : document.createTextNode(text);
  const productLink = (id) =>
    product ? product.replace("ITEM", id.split("/").map(encodeURIComponent).join("/")) : null;
  const add = (author, text, ...more) => {
    const name = { shopper: words.shopper, person: words.human }[author] || words.engine;
    log.append(
      element(
        "div",
        { class: `said ${author}` },
        element("span", { class: "who" }, name),
        element("p", {}, text),
        ...more,
      ),
    );
    log.scrollTop = log.scrollHeight;
  };
  const note = (text) => {
    log.append(element("p", { class: "note", role: "status" }, text));
    log.scrollTop = log.scrollHeight;
  };
  const sourcesOf = (sources, products = []) => {
    const items = new Map(products.map((one) => [one.item_id, one.item]));
    const rows = sources
      .filter(({ kind, title }) => kind !== "template" && title)
      .map(({ title, url, item_id }) => {
        const price = items.get(item_id)?.price;
        const cost = price?.amount ? ` ${price.currency} ${price.amount}` : "";
        return element("li", {}, link(url || (item_id && productLink(item_id)), title), cost);
      });
    return rows.length ? [element("ul", {}, ...rows)] : [];
  };
  const feedback = (message) => {
    const row = element("div", { class: "ask" }, element("span", { class: "who" }, words.helped));
    const of = conversation;
    for (const [text, helped] of [[words.yes, true], [words.no, false]]) {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", async () => {
        try {
          const body = { conversation_id: of, message_id: message, helped };
          await call("assist:feedback", body);
          const said = helped ? words.thanks : words.sorry;
          row.replaceChildren(element("span", { class: "who", role: "status" }, said));
          input.focus(); // the button that had the focus is gone
        } catch {
          note(words.failed);
        }
      });
      row.append(button);
    }
    return row;
  };

  const poll = async () => {
    clearTimeout(timer);
    if (!conversation || panel.hidden) return;
    try {
      const thread = await call(`assist/conversations/${conversation}`);
      show(thread.messages);
      isRestored = true;
      person.hidden = thread.state === "handed_over";
      if (thread.state === "closed") {
        note(words.closed);
        conversation = undefined;
        stored({ open: true });
      } else if (thread.state === "handed_over") timer = setTimeout(poll, POLL_MS);
    } catch (error) {
      if (error.status === 404) stored({ open: true });
      else timer = setTimeout(poll, 4 * POLL_MS);
    }
  };
  // After a change of page, all messages; later those of persons, as the others are shown already.
  const show = (messages) => {
    for (const one of messages) {
      if (shown.has(one.message_id)) continue;
      shown.add(one.message_id);
      if (isRestored && one.author !== "person") continue;
      add(one.author, one.text, ...sourcesOf(one.sources, one.products));
    }
  };
  const ask = async (question) => {
    if (isBusy || !question.trim()) return;
    isBusy = send.disabled = true;
    add("shopper", question);
    const body = { question, session_id: session };
    if (conversation) body.conversation_id = conversation;
    if (item) body.item_id = item;
    if (order) Object.assign(body, { order }, user && { user_id: user });
    try {
      const reply = await call("assist", body);
      conversation = reply.conversation_id;
      isRestored = true;
      stored({ conversation, open: true });
      const asks = ["template", "passages", "products"].includes(reply.kind);
      const rating = asks ? [feedback(reply.message_id)] : [];
      add("engine", reply.answer, ...sourcesOf(reply.sources, reply.products), ...rating);
      person.hidden = !asks;
      input.value = "";
      clearTimeout(timer);
      if (!asks) timer = setTimeout(poll, POLL_MS);
    } catch (error) {
      note(error.message || words.failed);
    }
    isBusy = send.disabled = false;
    input.focus();
  };
  const toggle = (isOpen) => {
    panel.hidden = !isOpen;
    open.hidden = isOpen;
    open.setAttribute("aria-expanded", String(isOpen));
    stored({ ...stored(), open: isOpen });
    if (!isOpen) return open.focus();
    if (!log.childElementCount) add("engine", words.hello);
    input.focus();
    poll();
  };

  open.addEventListener("click", () => toggle(true));
  close.addEventListener("click", () => toggle(false));
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") toggle(false);
  });
  person.addEventListener("click", () => ask(words.personSaid));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(input.value);
  });
  if (stored().open) {
    const before = document.activeElement;
    toggle(true);
    before?.focus();
  }
})();
