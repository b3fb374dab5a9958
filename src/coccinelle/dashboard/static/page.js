/** What pages do beyond HTML; each works without it, too. */

/** Buttons that copy the text of the element named by `data-copy`. */
function prepareCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = before; }, 2000);
  } catch {
    getSelection().selectAllChildren(source);
  }
}

/** Buttons that show what a password field hides. */
function prepareRevealing(root) {
  for (const button of root.querySelectorAll("button[data-reveal]")) {
    const field = document.getElementById(button.dataset.reveal);
    button.hidden = false;
    button.addEventListener("click", () => {
      const isShown = field.type === "text";
      field.type = isShown ? "password" : "text";
      button.setAttribute("aria-pressed", String(!isShown));
    });
  }
}

/** A form is sent once, however often its button is pressed. */
function prepareSending(root) {
  for (const form of root.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.ariaBusy === "true") event.preventDefault();
      form.ariaBusy = "true";
    });
  }
}

/** Fields that Ctrl+Enter sends, or Cmd+Enter. */
function prepareShortcuts(root) {
  for (const field of root.querySelectorAll("textarea[data-send]")) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      field.form.requestSubmit();
    });
  }
}

/** What is being written in an answer is still there when its writer comes back to the page. */
function prepareKeeping(root) {
  for (const field of root.querySelectorAll("textarea[data-send]")) {
    if (!field.value) field.value = sessionStorage.getItem(placeOf(field)) ?? "";
    field.addEventListener("input", () => keep(field));
    field.form.addEventListener("submit", () => sessionStorage.removeItem(placeOf(field)));
    keep(field);
  }
}

function placeOf(field) {
  return `written:${location.pathname}#${field.id}`;
}

function keep(field) {
  if (field.value) sessionStorage.setItem(placeOf(field), field.value);
  else sessionStorage.removeItem(placeOf(field));
}

function prepare(root) {
  prepareCopying(root);
  prepareRevealing(root);
  prepareSending(root);
  prepareShortcuts(root);
  prepareKeeping(root);
}

/** On a phone, the tab of this page may stand beside the screen. */
function showTab() {
  const tab = document.querySelector("nav.tabs [aria-current]");
  if (tab) tab.closest("nav").scrollLeft = tab.offsetLeft - tab.offsetWidth;
}

prepare(document);
showTab();
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) form.ariaBusy = null;
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.matches("form[aria-busy]")) detail.elt.ariaBusy = null;
});

/** The server did not answer as it should: a poll tries again, a form keeps what was written and
 * says so, and whatever else was asked for becomes the page that says why. */
function onTrouble(element, path) {
  const told = document.getElementById(element.dataset.unsent ?? "");
  for (const field of element.querySelectorAll("textarea[data-send]")) keep(field);
  if (told) told.hidden = false;
  else if (path && !element.matches("[hx-trigger^=every]")) location.assign(path);
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const element = detail.requestConfig.elt;
  const isPoll = element.matches("[hx-trigger^=every]");
  if (detail.xhr.status < (isPoll ? 400 : 500)) return;
  detail.shouldSwap = false;
  onTrouble(element, detail.requestConfig.verb === "get" ? detail.pathInfo.finalRequestPath : "");
});
// What is being written stays while others change what stands around it: sending it says so.
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  const field = detail.target.querySelector("textarea[data-send]");
  if (field?.value.trim() && field.form.ariaBusy !== "true") detail.shouldSwap = false;
});
document.addEventListener("htmx:sendError", ({ detail }) => onTrouble(detail.elt, ""));
document.addEventListener("htmx:load", (event) => {
  if (event.target === document.body) return;
  prepare(event.target);
  event.target.querySelector("[autofocus]")?.focus();
});
