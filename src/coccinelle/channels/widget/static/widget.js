// The launcher, its API and the custom elements: docs/reference/widget-api.md
(() => {
  "use strict";

  const script = document.currentScript ?? document.querySelector('script[src*="/widget.js"]');
  if (!script?.src) return;

  const VERSION = "0.1.0";
  const MODULES = [
    "./widget/panel.js",
    "./widget/bubbles.js",
    "./widget/elements.js",
    "./widget/exchange.js",
    "./widget/markdown.js",
    "./widget/style.js",
    "./widget/texts.js",
    "./widget/transport.js",
  ];
  const ATTRIBUTES = ["key", "lang", "color", "position", "open", "user"];
  const TEXTS = {
    fr: {
      label: "Discuter avec nous",
      unreachable: "Le chat n'est pas joignable pour le moment. Cliquez pour réessayer.",
    },
    en: {
      label: "Chat with us",
      unreachable: "The chat cannot be reached right now. Click to try again.",
    },
  };
  const OPEN = "coccinelle:open";
  const LADYBIRD = "#b3261e";
  const BUBBLE =
    "M12 3C6.5 3 2 6.7 2 11.3c0 2.3 1.1 4.4 3 5.9-.1 1.3-.6 2.5-1.5 3.5-.2.2 0 .6.3.5 " +
    "1.9-.2 3.6-.9 5-2 1 .3 2.1.4 3.2.4 5.5 0 10-3.7 10-8.3S17.5 3 12 3z" +
    "M7.5 10a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8zm4.5 0a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 " +
    "1 0-2.8zm4.5 0a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8z";
  const CHEVRON = "M5.3 8.3a1 1 0 0 1 1.4 0l5.3 5.3 5.3-5.3a1 1 0 1 1 1.4 1.4l-6 6a1 1 0 0 1-1.4 " +
    "0l-6-6a1 1 0 0 1 0-1.4z";
  const SMALL = "(max-width: 767.98px), (max-height: 480px)";
  const SIDE = /^(left|right)$/;
  const GAP = "max(20px, env(safe-area-inset-right))";
  const LOOK = `
    #launcher, #note {
      position: fixed;
      inset-inline-end: ${GAP};
      box-sizing: border-box;
      border: 2px solid transparent;
    }
    #launcher {
      inset-block-end: max(20px, env(safe-area-inset-bottom));
      inline-size: 60px;
      block-size: 60px;
      padding: 0;
      border-radius: 50%;
      cursor: pointer;
      -webkit-tap-highlight-color: transparent;
      box-shadow: 0 0 0 1px #ffffff40, 0 2px 4px #0003, 0 8px 24px #0004;
    }
    #launcher:focus-visible { outline: 3px solid #fff; box-shadow: 0 0 0 6px #1b1b1f; }
    #launcher svg { position: absolute; inset: 10px; fill: currentColor; fill-rule: evenodd; }
    #launcher path + path, #launcher[aria-expanded=true] path { opacity: 0; }
    #launcher[aria-expanded=true] path + path { opacity: 1; }
    #launcher[aria-busy=true]::after {
      content: "";
      position: absolute;
      inset: 1px;
      border: 3px dotted;
      border-radius: 50%;
    }
    #note {
      inset-block-end: calc(max(20px, env(safe-area-inset-bottom)) + 76px);
      max-inline-size: min(280px, 100vw - 40px);
      margin: 0;
      padding: 12px 16px;
      border-radius: 16px;
      background: #fff;
      color: #1b1b1f;
      font: 15px/1.45 system-ui, sans-serif;
      unicode-bidi: plaintext;
      box-shadow: 0 0 0 1px #0001, 0 8px 32px #0004;
    }
    #note:empty { padding: 0; border: 0; box-shadow: none; }
    @media (prefers-reduced-motion: no-preference) {
      #launcher { transition: transform .35s cubic-bezier(.3, 1.8, .5, 1); }
      #launcher path { transition: opacity .2s; }
      #launcher:hover { transform: scale(1.07); }
      #launcher:active { transform: scale(.94); transition-duration: .1s; }
      #launcher[aria-busy=true]::after {
        border-style: solid;
        border-block-end-color: transparent;
        animation: turn .9s linear infinite;
      }
    }
    @keyframes turn { to { transform: rotate(1turn); } }`;
  const FLOATING = `
    :host {
      all: initial !important;
      display: block !important;
      position: fixed !important;
      z-index: 2147483647 !important;
    }
    :host([hidden]) { display: none !important; }
    @media print { :host { display: none !important; } }
    @media ${SMALL} { #launcher[aria-expanded=true] { display: none; } }`;
  const INLINE = `
    :host { display: block; position: relative; block-size: 600px; }
    :host([hidden]), #launcher[aria-expanded=true] { display: none; }
    #launcher, #note { position: absolute; inset: 0; margin: auto; }
    #note { inset-block: calc(50% + 44px) auto; inline-size: fit-content; }`;

  const base = new URL(".", script.src).href.slice(0, -1);
  const live = new Set();
  let modules;

  const launcher = () => [...live].find((element) => !element.isInline);
  const current = () => launcher() ?? [...live][0];

  // In Chromium, a module whose import failed fails for ever: so all are fetched before.
  const panelModule = () => {
    const urls = MODULES.map((name) => new URL(name, script.src));
    modules ??= Promise.all(urls.map(fetched)).then(() => import(urls[0]));
    modules.catch(() => (modules = undefined));
    return modules;
  };

  const fetched = async (url) => {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${url}`);
    return response.arrayBuffer();
  };

  const hexColor = (value) => (/^#([\da-f]{3}){1,2}$/i.test(value) ? value : undefined);

  // With white where it reaches 4.5:1, else black: for all colours the same as by WCAG's formula.
  const withInk = (hex) => {
    const parts = hex.match(hex.length < 5 ? /\w/g : /\w\w/g);
    const [red, green, blue] = parts.map((part) => {
      return (parseInt(part.repeat(3 - part.length), 16) / 255) ** 2.2;
    });
    return [hex, 0.213 * red + 0.715 * green + 0.072 * blue > 0.18 ? "#000" : "#fff"];
  };

  const sheet = (text) => {
    const made = new CSSStyleSheet();
    made.replaceSync(text);
    return made;
  };

  const icon = (...shapes) => {
    const make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
    const svg = make("svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    for (const shape of shapes) svg.appendChild(make("path")).setAttribute("d", shape);
    return svg;
  };

  const listen = (target, name, fn) => {
    const heard = ({ detail }) => fn(detail);
    target.addEventListener(`coccinelle:${name}`, heard);
    return () => target.removeEventListener(`coccinelle:${name}`, heard);
  };

  const remembered = (value) => {
    try {
      if (value === undefined) return sessionStorage.getItem(OPEN);
      if (value) sessionStorage.setItem(OPEN, value);
      else sessionStorage.removeItem(OPEN);
    } catch {
      // Blocked: nothing is kept.
    }
  };

  const putBack = (element) => {
    if (element.isConnected) return;
    if (document.body) document.body.append(element);
    else requestAnimationFrame(() => putBack(element));
  };

  // Both elements: the launcher with its panel, and the panel in its own box.
  class Chat extends HTMLElement {
    static observedAttributes = ["color", "lang", "position", "user"];

    // Draws a launcher as `data` says, unless the page has one, or a chat of its own.
    static place(data) {
      if (current()) return;
      const element = document.createElement("coccinelle-widget");
      for (const name of ATTRIBUTES) if (name in data) element.setAttribute(name, data[name]);
      element.#isPlaced = true;
      putBack(element);
    }

    static remove(element) {
      element?.#leave();
      element?.remove();
    }

    #root = this.attachShadow({ mode: "open" });
    #button = document.createElement("button");
    #note = document.createElement("p");
    #paint = new CSSStyleSheet();
    #swaps = new MutationObserver((records) => this.#judge(records));
    #life;
    #config = {};
    #user;
    #opener;
    #mounting;
    #panel;
    #isPlaced = false;
    #isWanted = false;
    #isShown = false;

    constructor() {
      super();
      this.#root.adoptedStyleSheets = [
        sheet(LOOK),
        sheet(this.isInline ? INLINE : FLOATING),
        this.#paint,
      ];
      this.#button.type = "button";
      this.#button.id = "launcher";
      this.#button.ariaHasPopup = "dialog";
      this.#note.id = "note";
      this.#button.append(icon(BUBBLE, CHEVRON));
      this.#button.addEventListener("pointerdown", () => panelModule().catch(() => {}));
      this.#button.addEventListener("click", () => this.toggle());
      this.#note.setAttribute("role", "status");
      this.#root.append(this.#button, this.#note);
    }

    get isInline() {
      return this.localName === "coccinelle-chat";
    }

    connectedCallback() {
      this.#swaps.disconnect();
      if (this.#isPlaced) this.#swaps.observe(this.parentNode, { childList: true });
      if (live.has(this)) return;
      if (!this.isInline && launcher()) {
        if (this.parentNode === document.body) this.remove();
        return;
      }
      live.add(this);
      this.#life = new AbortController();
      this.#draw();
      this.#emit("ready");
      this.#start();
    }

    disconnectedCallback() {
      if (!live.has(this) || (this.#isPlaced && !this.parentNode)) return;
      queueMicrotask(() => {
        if (this.isConnected) return;
        if (this.#isPlaced) putBack(this);
        else this.#leave();
      });
    }

    attributeChangedCallback(name) {
      if (!live.has(this)) return;
      if (name === "user") this.identify(this.#givenUser());
      else this.#draw();
    }

    async open() {
      await this.#open(true, true);
    }

    close() {
      this.#close(document.activeElement === this);
    }

    toggle() {
      return this.#isShown ? this.close() : this.open();
    }

    async send(text) {
      await this.open();
      this.#panel?.send(text);
    }

    identify(user) {
      this.#user = user;
      this.#panel?.identify(user);
    }

    on(name, fn) {
      return listen(this, name, fn);
    }

    reset() {
      if (this.#panel) return this.#panel.reset();
      try {
        localStorage.removeItem(`coccinelle:${this.#key || new URL(base).host}`);
      } catch {
        // Blocked: nothing is kept.
      }
    }

    get #key() {
      return this.getAttribute("key") || undefined;
    }

    #colours(config) {
      return withInk(hexColor(this.getAttribute("color")) ?? hexColor(config?.color) ?? LADYBIRD);
    }

    get #side() {
      return SIDE.exec(this.getAttribute("position"))?.[0];
    }

    get #language() {
      const told = this.lang || document.documentElement.lang || navigator.language || "fr";
      return /^fr/i.test(told) ? "fr" : "en";
    }

    get #isOpenByDefault() {
      return !/^(false|0)$/.test(this.getAttribute("open") ?? "0");
    }

    #draw() {
      const { label } = TEXTS[this.#language];
      const [color, ink] = this.#colours(this.#config);
      const side = this.#side ?? this.#config.position;
      this.#button.lang = this.#note.lang = this.#language;
      this.#button.title = this.#button.ariaLabel = label;
      this.#paint.replaceSync(
        `#launcher { background: ${color}; color: ${ink}; }` +
          (SIDE.test(side) && !this.isInline
            ? `#launcher, #note { inset-inline: auto; ${side}: ${GAP.replace("right", side)}; }`
            : ""),
      );
      this.#state();
    }

    #state() {
      this.#button.ariaExpanded = this.#isShown;
      this.#button.ariaBusy = this.#isWanted && !this.#isShown;
    }

    #start() {
      this.#user ??= this.#givenUser();
      if (this.isInline) return this.#whenSeen(() => this.#open(false));
      const last = remembered();
      const isOpen = last ? last === "1" : this.#isOpenByDefault;
      if (isOpen && !matchMedia(SMALL).matches) this.#open(false);
    }

    #whenSeen(fn) {
      const sight = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        sight.disconnect();
        fn();
      });
      sight.observe(this);
      this.#life.signal.addEventListener("abort", () => sight.disconnect());
    }

    async #open(isFocused, isAsked) {
      if (this.#isWanted) return this.#mounting.catch(() => {});
      if (!live.has(this)) return;
      const { signal } = this.#life;
      this.#isWanted = true;
      this.#note.textContent = "";
      this.#opener = document.activeElement;
      this.#state();
      try {
        this.#panel = await (this.#mounting ??= this.#mount(signal));
      } catch (error) {
        if (!signal.aborted) this.#failed(error);
        return;
      }
      if (signal.aborted || !this.#isWanted || this.#isShown) return;
      this.#isShown = true;
      this.#state();
      const isStill = [this.#opener, document.body].includes(document.activeElement);
      this.#panel.show({ focus: isFocused && isStill, isAsked });
      if (isAsked && !this.isInline) remembered("1");
      this.#emit("open");
    }

    async #mount(signal) {
      const config = this.#fetchConfig(signal);
      const { mount } = await panelModule();
      signal.throwIfAborted();
      return mount({
        host: this,
        root: this.#root,
        base,
        key: this.#key,
        language: this.#language,
        colours: (told) => this.#colours(told),
        position: this.#side,
        inline: this.isInline,
        user: this.#user,
        config,
        emit: (name, detail) => this.#emit(name, detail),
        onclose: () => this.#close(true),
      });
    }

    #fetchConfig(signal) {
      const url = new URL(`${base}/api/widget/config`);
      if (this.#key) url.searchParams.set("key", this.#key);
      url.searchParams.set("lang", this.#language);
      const config = fetch(url, { signal, credentials: "omit" });
      config
        .then((response) => (response.ok ? response.clone().json() : {}))
        .then((told) => {
          this.#config = told;
          this.#draw();
        })
        .catch(() => {});
      return config;
    }

    #failed(error) {
      const { unreachable } = TEXTS[this.#language];
      this.#isWanted = false;
      this.#mounting = undefined;
      this.#note.textContent = unreachable;
      this.#state();
      this.#emit("error", { code: "widget_unreachable", message: error.message });
    }

    #close(isFocusOurs) {
      if (!this.#isWanted || this.isInline) return;
      const wasShown = this.#isShown;
      this.#isWanted = this.#isShown = false;
      this.#panel?.hide();
      this.#state();
      remembered(this.#isOpenByDefault ? "0" : "");
      if (isFocusOurs) this.#focusBack();
      if (wasShown) this.#emit("close");
    }

    #focusBack() {
      const isElsewhere = ![this, document.body, null].includes(this.#opener);
      (isElsewhere && this.#opener.isConnected ? this.#opener : this.#button).focus();
    }

    #givenUser() {
      try {
        return JSON.parse(this.getAttribute("user")) ?? undefined;
      } catch {
        console.warn("Coccinelle: data-user is not JSON.");
      }
    }

    #emit(name, detail) {
      const options = { bubbles: true, composed: true, detail };
      this.dispatchEvent(new CustomEvent(`coccinelle:${name}`, options));
    }

    // Removed alone was meant; when the page empties its body, it comes back.
    #judge(records) {
      if (this.isConnected || this.parentNode || !live.has(this)) return;
      const gone = records.flatMap(({ removedNodes }) => [...removedNodes]);
      if (gone.some((node) => node !== this && node.nodeType === 1)) putBack(this);
      else this.#leave();
    }

    #leave() {
      if (!live.delete(this)) return;
      this.#swaps.disconnect();
      this.#life.abort();
      this.#panel?.destroy();
      this.#panel = this.#mounting = this.#opener = undefined;
      this.#isWanted = this.#isShown = false;
      this.#note.textContent = "";
      this.#state();
    }
  }

  const METHODS = ["open", "close", "toggle", "send", "identify", "reset"];
  const api = {
    version: VERSION,
    remove: () => Chat.remove(current()),
    on: (name, fn) => {
      if (name === "ready" && current()) queueMicrotask(fn);
      return listen(window, name, fn);
    },
  };
  for (const name of METHODS) api[name] = (told) => current()?.[name](told);

  const start = () => {
    const known = customElements.get("coccinelle-widget");
    if (!known) {
      if (!("Coccinelle" in window)) window.Coccinelle = Object.freeze(api);
      customElements.define("coccinelle-widget", Chat);
      customElements.define("coccinelle-chat", class extends Chat {});
    }
    if (script.dataset.launcher !== "none") (known ?? Chat).place?.(script.dataset);
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
