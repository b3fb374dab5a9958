import { element } from "./elements.js";

/** A conversation as plain text; entries are `{author, at, text, sources}`. */
export function transcript({ t, language, company, day, disclosure }, entries) {
  const date = (at) => at.toLocaleString(language, { dateStyle: "short", timeStyle: "short" });
  const head = t.transcript(company, day.toLocaleDateString(language, { dateStyle: "long" }));
  const said = entries.map(({ author, at, text, sources }) =>
    [`[${date(at)}] ${t.says(author)}${text}`, ...sources.map(sourceLine)].join("\n"));
  return `${[head, disclosure, ...said].filter(Boolean).join("\n\n")}\n`;
}

/** Gives a text to the browser as a file named after the company and the day. */
export function download(text, company, day) {
  const slug = company.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);
  const date = [day.getFullYear(), day.getMonth() + 1, day.getDate()]
    .map((part) => String(part).padStart(2, "0")).join("-");
  const href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  element("a", { href, download: `${["conversation", slug, date].filter(Boolean).join("-")}.txt` })
    .click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

function sourceLine({ title, url }, index) {
  return `    [${index + 1}] ${title}${url ? ` — ${url}` : ""}`;
}
