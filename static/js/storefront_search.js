// The demo shop's search: suggestions under every search box, and the page of results with facets.
// Both call the REST API from the page with the public key, as any shop's page may.
(() => {
  const script = document.currentScript;
  const { api, key, user, session, product } = script.dataset;
  const PAGE = 24;
  const FACETS = ["categories", "brand", "price"];
  const NAMES = { categories: "Category", brand: "Brand", price: "Price" };
  const WAIT_MS = 120;

  const call = async (path, body, signal) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const reply = await fetch(`${api}${path}`, {
      method: body ? "POST" : "GET",
      body: body && JSON.stringify(body),
      headers,
      signal,
    });
    if (!reply.ok) throw new Error((await reply.json()).detail || reply.statusText);
    return reply.json();
  };
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes))
      if (value !== null && value !== false) made.setAttribute(attribute, value);
    made.append(...children);
    return made;
  };
  const link = (id) => product.replace("ITEM", id.split("/").map(encodeURIComponent).join("/"));
  const searchLink = (query, filters = {}) =>
    `/search?${new URLSearchParams({ q: query, ...filters })}`;
  const marked = (text, ranges) => {
    const letters = Array.from(text); // ranges count characters, not UTF-16 units
    const parts = [];
    let at = 0;
    for (const [begin, end] of ranges) {
      parts.push(letters.slice(at, begin).join(""));
      parts.push(element("mark", {}, letters.slice(begin, end).join("")));
      at = end;
    }
    return [...parts, letters.slice(at).join("")];
  };

  // Suggestions: a combobox with a list box (WAI-ARIA Authoring Practices).
  for (const box of document.querySelectorAll("[data-suggests]")) {
    const list = document.getElementById(box.getAttribute("aria-controls"));
    let options = [];
    let chosen = -1;
    let timer = 0;
    let running = null;

    const close = () => {
      list.hidden = true;
      chosen = -1;
      box.setAttribute("aria-expanded", "false");
      box.removeAttribute("aria-activedescendant");
    };
    const choose = (at) => {
      options.forEach((option) => option.setAttribute("aria-selected", "false"));
      chosen = (at + options.length + 1) % (options.length + 1);
      if (chosen === options.length) chosen = -1;
      if (chosen < 0) return box.removeAttribute("aria-activedescendant");
      options[chosen].setAttribute("aria-selected", "true");
      options[chosen].scrollIntoView({ block: "nearest" });
      box.setAttribute("aria-activedescendant", options[chosen].id);
    };
    const option = (href, ...content) => {
      const made = element(
        "li",
        { role: "option", "aria-selected": "false", "data-href": href },
        ...content,
      );
      made.id = `${list.id}-${options.length}`;
      options.push(made);
      return made;
    };
    const group = (title, rows) => {
      if (!rows.length) return [];
      const head = element("li", { role: "presentation", class: "s-suggest-head" }, title);
      return [head, ...rows];
    };
    const show = (reply) => {
      options = [];
      chosen = -1;
      list.replaceChildren(
        ...group(
          "Searches",
          reply.queries.map(({ query }) => option(searchLink(query), query)),
        ),
        ...group(
          "Categories",
          reply.categories.map(({ name }) => option(searchLink("", { categories: name }), name)),
        ),
        ...group(
          "Brands",
          reply.brands.map(({ name }) => option(searchLink("", { brand: name }), name)),
        ),
        ...group(
          "Products",
          reply.products.map(({ item_id, title, highlights }) =>
            option(link(item_id), ...marked(title, highlights)),
          ),
        ),
      );
      list.hidden = !options.length;
      box.setAttribute("aria-expanded", String(!list.hidden));
    };
    const ask = async () => {
      running?.abort();
      running = new AbortController();
      const typed = box.value.trim();
      if (!typed) return close();
      try {
        const query = new URLSearchParams({ q: typed, limit: 5 });
        const reply = await call(`suggest?${query}`, null, running.signal);
        if (document.activeElement === box && typed === box.value.trim()) show(reply);
      } catch {
        close(); // suggestions are a help, not a need
      }
    };
    box.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, WAIT_MS);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && list.hidden) ask();
      else if (event.key === "ArrowDown") choose(chosen + 1);
      else if (event.key === "ArrowUp") choose(chosen - 1);
      else if (event.key === "Escape" && !list.hidden) close();
      else if (event.key === "Enter" && chosen >= 0) location.href = options[chosen].dataset.href;
      else return;
      event.preventDefault();
    });
    box.addEventListener("blur", () => setTimeout(close, 150));
    list.addEventListener("mousedown", (event) => {
      const at = event.target.closest("[data-href]");
      event.preventDefault();
      if (at) location.href = at.dataset.href;
    });
  }

  // Results
  const page = document.getElementById("results");
  if (!page) return;
  const [hello, status, hints, facets, goods, more, sort] = [
    "hello",
    "status",
    "hints",
    "facets",
    "goods",
    "more",
    "sort",
  ].map((name) => document.getElementById(name));
  let next = null;
  let turn = 0;

  const wanted = () => new URLSearchParams(location.search);
  const filterOf = (asked) => {
    const parts = [];
    const params = {};
    for (const field of ["categories", "brand"]) {
      if (!asked.has(field)) continue;
      parts.push(`${field} in :${field}`);
      params[field] = asked.getAll(field);
    }
    const [low, high] = (asked.get("price") || "")
      .split("-")
      .map((end) => (end ? Number(end) : null));
    if (low !== null && !Number.isNaN(low)) {
      parts.push("price >= :low");
      params.low = low;
    }
    if (high !== null && high !== undefined && !Number.isNaN(high)) {
      parts.push("price < :high");
      params.high = high;
    }
    return parts.length ? { filter: parts.join(" and "), params } : {};
  };
  const card = (hit) => {
    const { item } = hit;
    const price = item.price
      ? `${item.price.currency} ${Number(item.price.amount).toFixed(2)}`
      : "";
    const image = (item.images || []).find((url) => url.startsWith("https://"));
    const picture = image
      ? element("img", {
          class: "s-picture",
          src: image,
          alt: "",
          loading: "lazy",
          referrerpolicy: "no-referrer",
        })
      : element(
          "span",
          { class: "s-picture", "aria-hidden": "true" },
          Array.from(item.title)[0] || "·",
        );
    const reasons = hit.reasons.map((reason) => reason.text).join(", ");
    return element(
      "li",
      { "data-vitrine-item": hit.item_id, "data-vitrine-position": hit.position },
      element(
        "a",
        { href: link(hit.item_id) },
        picture,
        element("span", { class: "s-title" }, ...marked(item.title, hit.highlights.title || [])),
      ),
      element("span", { class: "s-price" }, price),
      element("span", { class: "s-reason" }, reasons),
    );
  };
  const go = (asked) => {
    history.pushState(null, "", `/search?${asked}`);
    search();
  };
  const toggled = (name, value, isOn) => {
    const asked = wanted();
    const others = name === "price" ? [] : asked.getAll(name).filter((one) => one !== value);
    asked.delete(name);
    [...others, ...(isOn ? [value] : [])].forEach((one) => asked.append(name, one));
    return asked;
  };
  const facet = ({ field, values, ranges }) => {
    const asked = wanted();
    const rows = values
      ? values.map(({ value, count }) => [value, value, count])
      : ranges
          .filter(({ count }) => count)
          .map(({ from, to, count }) => [
            `${from ?? ""}-${to ?? ""}`,
            from === null ? `under ${to}` : to === null ? `${from} and more` : `${from} to ${to}`,
            count,
          ]);
    const kept = asked.getAll(field).filter((value) => !rows.some(([known]) => known === value));
    rows.push(
      ...kept.map((value) => [value, value.replace(/-$/, " and more").replace(/^-/, "under "), 0]),
    );
    if (rows.length < 2 && !asked.has(field)) return "";
    const boxes = rows.slice(0, 12).map(([value, text, count]) => {
      const box = element("input", { type: "checkbox" });
      box.checked = asked.getAll(field).includes(value);
      box.addEventListener("change", () => go(toggled(field, value, box.checked)));
      const number = element("span", { class: "s-count" }, String(count));
      return element("label", { class: "s-facet" }, box, element("span", {}, text), number);
    });
    return element("fieldset", {}, element("legend", {}, NAMES[field]), ...boxes);
  };
  const hint = (reply, query) => {
    const rows = [];
    if (reply.corrected) {
      rows.push([
        "Showing results for ",
        element("a", { href: searchLink(reply.corrected) }, reply.corrected),
        ".",
      ]);
    }
    const dropped = (reply.relaxed || []).filter(({ kind }) => kind === "word_dropped");
    if (dropped.length)
      rows.push([
        `Nothing has all words. Left out: ${dropped.map(({ word }) => word).join(", ")}.`,
      ]);
    if ((reply.relaxed || []).some(({ kind }) => kind === "by_meaning")) {
      rows.push([`No product has “${query}” in its text. These are close in meaning.`]);
    }
    return rows.map((content) => element("p", { class: "s-hint" }, ...content));
  };
  const search = async (token) => {
    const mine = (turn += 1);
    const asked = wanted();
    const query = (asked.get("q") || "").trim();
    sort.value = asked.get("sort") || "relevance";
    page.setAttribute("aria-busy", "true");
    const request = token
      ? { next: token, hydrate: true }
      : {
          ...(query ? { query } : {}),
          ...filterOf(asked),
          session_id: session,
          ...(user ? { user_id: user } : {}),
          facets: FACETS,
          sort: sort.value,
          limit: PAGE,
          hydrate: true,
        };
    try {
      const reply = await call(query ? "search" : "browse", request);
      if (mine !== turn) return;
      next = reply.next;
      more.hidden = !next;
      if (!token) {
        goods.parentElement.dataset.vitrineQuery = reply.query_id;
        const about = reply.total_is_exact ? "" : "about ";
        const found = reply.total || reply.hits.length;
        const noun = found === 1 ? "product" : "products";
        hello.textContent = query ? `Search: ${query}` : "All products";
        document.title = `${hello.textContent} – The corner shop`;
        const what = query ? ` for “${reply.corrected || query}”` : "";
        status.textContent = found
          ? `${about}${found.toLocaleString()} ${noun}${what}`
          : "Nothing was found. Try fewer or other words.";
        hints.replaceChildren(...hint(reply, query));
        facets.replaceChildren(...reply.facets.map(facet));
        goods.replaceChildren();
      }
      const cards = reply.hits.filter((hit) => hit.item).map(card);
      goods.append(...cards);
      if (token) cards[0]?.querySelector("a").focus();
    } catch (error) {
      if (mine === turn) status.textContent = `The search does not answer: ${error.message}`;
    } finally {
      if (mine === turn) page.removeAttribute("aria-busy");
    }
  };
  more.addEventListener("click", () => search(next));
  sort.addEventListener("change", () => {
    const asked = wanted();
    asked.set("sort", sort.value);
    go(asked);
  });
  addEventListener("popstate", () => search());
  search();
})();
