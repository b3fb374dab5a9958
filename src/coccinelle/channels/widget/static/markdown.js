import { element } from "./elements.js";

/**
 * A text in a subset of Markdown, shown in an element as it grows. It makes P, BR, STRONG, EM,
 * CODE, PRE, UL, OL, LI, BLOCKQUOTE, SUP, BUTTON (a source's mark) and A, and nothing else; what
 * is not understood stays as it was written. The time is linear in the text.
 *
 * Options: `hosts`, where links may lead (or to a subdomain); `titles`, of the sources, once they
 * are known; `markName(number, title)`; `onmark(number)`.
 */
export class Markdown {
  #shown;
  #options;
  #text = "";
  #settled = 0;
  #last = [];

  constructor(shown, options = {}) {
    this.#shown = shown;
    this.#options = options;
  }

  get text() {
    return this.#text;
  }

  /** Shows the whole text so far: blocks before the last one are not made again. */
  write(text) {
    if (!text.startsWith(this.#text)) this.#clear();
    this.#text = text;
    const blocks = blocksOf(text, this.#settled);
    for (const node of this.#last) node.remove();
    // What follows a list may, once its line is whole, turn out to belong to it.
    const settled = blocks.length - (blocks.at(-2)?.kind === "list" ? 2 : 1);
    this.#last = [];
    blocks.forEach((block, index) => {
      const nodes = blockNodes(block, this.#options);
      this.#shown.append(...nodes);
      if (index >= settled) this.#last.push(...nodes);
    });
    this.#settled = blocks[settled]?.start ?? this.#settled;
  }

  /** Shows the whole text, now that its sources are known. */
  finish(text, titles) {
    this.#options = { ...this.#options, titles };
    if (text.includes("[")) this.#clear();
    this.write(text);
  }

  #clear() {
    this.#shown.replaceChildren();
    this.#text = "";
    this.#settled = 0;
    this.#last = [];
  }
}

/** What a text says, without its marks. */
export function plain(text) {
  const shown = element("div");
  for (const block of blocksOf(text, 0)) shown.append(...blockNodes(block, {}), " ");
  return shown.textContent.replace(/\*\*|`|\s+/g, (found) => (found.trim() ? "" : " ")).trim();
}

/** An https address without name or password, in its canonical form; else null. */
export function address(text, hosts) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  if (url.protocol !== "https:" || url.username || url.password) return null;
  const isKnown = (host) => url.host === host || url.host.endsWith(`.${host}`);
  return !hosts || hosts.some(isKnown) ? url.href : null;
}

/** A link that tells the place it leads to nothing about the page it is on. */
export function link(href, ...children) {
  const rel = "noopener noreferrer nofollow";
  return element("a", { href, rel, target: "_blank" }, ...children);
}

const FENCE = /^ {0,3}```/;
const HEADING = /^ {0,3}#{1,6} +/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)(?:[-*+•]|(\d{1,9})[.)]) +/;

/** The blocks of a text from an offset on: `{ kind, start, lines | items }`. */
function blocksOf(text, from) {
  const blocks = [];
  let open = null;
  for (let start = from; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end).replace(/\r$/, "").replace(/\t/g, "  ");
    const kind = kindOf(line);
    if (open?.kind === "fence") {
      if (kind === "fence") open = null;
      else open.lines.push(line);
    } else if (kind === "blank") {
      if (open?.kind === "list") open.hasGap = true;
      else open = null;
    } else {
      if (!goesOn(open, kind, line)) blocks.push((open = { kind, start, lines: [], items: [] }));
      add(open, kind, line);
    }
    start = end + 1;
  }
  return blocks;
}

function kindOf(line) {
  if (line.trim() === "") return "blank";
  if (FENCE.test(line)) return "fence";
  if (HEADING.test(line)) return "heading";
  if (QUOTE.test(line)) return "quote";
  return ITEM.test(line) ? "list" : "text";
}

function goesOn(open, kind, line) {
  if (open?.kind !== "list") return open?.kind === kind && kind !== "heading" && kind !== "fence";
  if (kind === "text") return !open.hasGap || line.startsWith("  ");
  if (kind !== "list") return false;
  const [, indent, number] = ITEM.exec(line);
  return indent.length > 1 || (number !== undefined) === open.items[0].isOrdered;
}

function add(block, kind, line) {
  if (block.kind === "list") addToList(block, kind, line);
  else if (kind === "heading") block.lines.push(line.replace(HEADING, ""));
  else if (kind === "quote") block.lines.push(line.replace(QUOTE, ""));
  else if (kind === "text") block.lines.push(line.trim());
}

function addToList(block, kind, line) {
  block.hasGap = false;
  if (kind === "text") return block.items.at(-1).lines.push(line.trim());
  const [mark, indent, number] = ITEM.exec(line);
  const isNested = indent.length > 1 && block.items.length > 0;
  const lines = [line.slice(mark.length).trim()];
  return block.items.push({ isNested, isOrdered: number !== undefined, number, lines });
}

function blockNodes(block, options) {
  if (block.kind === "fence") {
    return [element("pre", { tabindex: "0" }, element("code", {}, block.lines.join("\n")))];
  }
  if (block.kind === "list") return [list(block.items, options)];
  const paragraph = element("p");
  if (block.kind === "heading") {
    paragraph.append(element("strong"));
    inline(paragraph.firstChild, block.lines.join("\n"), options);
  } else inline(paragraph, block.lines.join("\n"), options);
  return [block.kind === "quote" ? element("blockquote", {}, paragraph) : paragraph];
}

function list(items, options) {
  const made = emptyList(items[0]);
  for (const one of items) {
    const item = element("li");
    inline(item, one.lines.join("\n"), options);
    if (one.isNested) nest(item, made.lastChild, emptyList(one));
    else made.append(item);
  }
  return made;
}

function nest(item, parent, empty) {
  if (parent.lastChild.localName !== empty.localName) parent.append(empty);
  parent.lastChild.append(item);
}

function emptyList({ isOrdered, number }) {
  return isOrdered ? element("ol", { start: Number(number) }) : element("ul");
}

const SPECIAL = /[\\`*[\n]|https:\/\//g;
const ESCAPED = /^[\\`*_[\]#>.!()+-]/;
const MARK = /\[(\d{1,2})\](?!\()/y;
const RUN = /[^\s<>"'`*[\]()»]*/y;
const MAX_DEPTH = 3;

/** Adds a text's nodes: one pass, each sign looked at once. */
function inline(parent, text, options, depth = 0) {
  const places = {};
  const next = (sign, from) => {
    if (!(places[sign] >= from)) {
      const found = text.indexOf(sign, from);
      places[sign] = found < 0 ? Infinity : found;
    }
    return places[sign];
  };
  let written = 0;
  SPECIAL.lastIndex = 0;
  for (let at = 0, found; (found = special(text, at)); ) {
    const made = span(text, found.index, { options, depth, next });
    if (made.nodes) {
      parent.append(text.slice(written, found.index), ...made.nodes);
      written = made.end;
    }
    at = made.end;
  }
  parent.append(text.slice(written));
}

function special(text, from) {
  SPECIAL.lastIndex = from;
  return SPECIAL.exec(text);
}

/** What starts at a sign: its nodes (none: it is text) and where it ends. */
function span(text, at, context) {
  switch (text[at]) {
    case "\n":
      return { nodes: [element("br")], end: at + 1 };
    case "\\":
      if (!ESCAPED.test(text.slice(at + 1, at + 2))) return { end: at + 1 };
      return { nodes: [text[at + 1]], end: at + 2 };
    case "`":
      return code(text, at, context);
    case "*":
      return emphasis(text, at, context);
    case "[":
      return sourceMark(text, at, context) ?? namedLink(text, at, context);
    default:
      return bareLink(text, at, context);
  }
}

function code(text, at, { next }) {
  const close = next("`", at + 1);
  if (close === Infinity || close === at + 1) return { end: at + 1 };
  return { nodes: [element("code", {}, text.slice(at + 1, close))], end: close + 1 };
}

function emphasis(text, at, { options, depth }) {
  const sign = text.startsWith("**", at) ? "**" : "*";
  const from = at + sign.length;
  const close = closing(text, sign, from);
  const inner = text.slice(from, Math.max(from, close));
  if (!inner || inner !== inner.trim() || depth >= MAX_DEPTH) return { end: from };
  const made = element(sign === "*" ? "em" : "strong");
  inline(made, inner, options, depth + 1);
  return { nodes: [made], end: close + sign.length };
}

function closing(text, sign, from) {
  let close = text.indexOf(sign, from);
  if (sign === "**") return text[close + 2] === "*" ? close + 1 : close;
  while (close >= 0 && text[close + 1] === "*") close = text.indexOf(sign, close + 2);
  return close;
}

function sourceMark(text, at, { options: { titles, markName, onmark } }) {
  MARK.lastIndex = at;
  const number = Number(MARK.exec(text)?.[1]);
  if (!number || (titles && number > titles.length)) return null;
  const end = MARK.lastIndex;
  if (!titles || !onmark) return { nodes: [element("sup", {}, `${number}`)], end };
  const name = markName(number, titles[number - 1]);
  const mark = { type: "button", "aria-label": name, title: name, onclick: () => onmark(number) };
  return { nodes: [element("sup", {}, element("button", mark, `${number}`))], end };
}

/** The name as text, then the address in full: a name can never hide where it leads. */
function namedLink(text, at, { options: { hosts = [] }, next }) {
  const middle = next("](", at + 1);
  const close = middle === Infinity ? middle : next(")", middle);
  const isName = close !== Infinity && middle - at < 300 && close - middle < 2000;
  const name = isName ? text.slice(at + 1, middle) : "";
  if (!isName || /[[\n]/.test(name)) return { end: at + 1 };
  const href = text[at - 1] === "!" ? null : address(text.slice(middle + 2, close), hosts);
  if (!href) return { end: close + 1 };
  const said = name.replace(/[*`]/g, "").trim();
  const shown = link(href, href);
  const isSaid = !said || said === href || said === text.slice(middle + 2, close);
  return { nodes: isSaid ? [shown] : [`${said} (`, shown, ")"], end: close + 1 };
}

function bareLink(text, at, { options: { hosts = [] } }) {
  RUN.lastIndex = at;
  let [run] = RUN.exec(text);
  const end = at + run.length;
  while (/[.,;:!?…]$/.test(run)) run = run.slice(0, -1);
  const href = run.length < 2000 ? address(run, hosts) : null;
  return href ? { nodes: [link(href, href)], end: at + run.length } : { end };
}
