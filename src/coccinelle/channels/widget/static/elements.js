/**
 * An element with its attributes, its listeners (`onclick: fn`) and its children. Strings become
 * text, never markup; an attribute that is false, null or undefined is left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

/** A drawing that says nothing to screen readers. */
export function icon(name) {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS(SVG, tag));
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", DRAWINGS[name]);
  svg.append(path);
  return svg;
}

/** A button; with `label` alone it shows its drawing only, and the label is its name. */
export function button(attributes, drawing, label, isTextShown = true) {
  const named = isTextShown ? {} : { "aria-label": label, title: label };
  const shown = [drawing && icon(drawing), isTextShown ? element("span", {}, label) : null];
  return element("button", { type: "button", ...named, ...attributes }, ...shown);
}

/** The first letter of a name, for its disc. */
export function initial(name) {
  return ([...name.trim()][0] ?? "·").toLocaleUpperCase();
}

const SVG = "http://www.w3.org/2000/svg";
const DRAWINGS = {
  close: "M6 6l12 12M18 6L6 18",
  menu: "M12 5a.5.5 0 10.01 0zM12 12a.5.5 0 10.01 0zM12 19a.5.5 0 10.01 0z",
  send: "M12 19V5M5.5 11.5L12 5l6.5 6.5",
  person: "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6",
  info: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5M12 8v.01",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  up: "M7 11v9H4v-9zM7 11l4-7.5c1.5 0 2.5 1 2.5 2.5L13 10h5.5c1.2 0 2 1 1.8 2.2"
    + "l-1.1 6c-.2 1-1 1.8-2 1.8H7",
  alert: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 7.5v5.5M12 16.5v.01",
  again: "M19 12a7 7 0 11-2.1-5M19 4v4h-4",
  below: "M12 5v14M6 13l6 6 6-6",
};
