"use strict";
// Tables sort by the column whose head is pressed: numbers first by the greatest, names by the alphabet.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const number = head.classList.contains("number");
    const first = number ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? (number ? "ascending" : "descending") : first;
    const sign = order === "ascending" ? 1 : -1;
    const key = row => row.cells[column].dataset.number;
    const compare = (a, b) => {
      if (!number) return sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
      const [x, y] = [key(a), key(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (x - y);
    };
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  }));
}

// One arm's errors at a time; a cell of its matrix names the images behind it.
const data = JSON.parse(document.getElementById("predictions")?.textContent ?? "null");
const entries = [...document.querySelectorAll(".entry")];
const choice = document.getElementById("entry");
const show = chosen => entries.forEach((entry, i) => { entry.hidden = i !== chosen; });
if (choice) {
  choice.closest("p").hidden = false;
  choice.addEventListener("change", () => show(choice.selectedIndex));
  show(choice.selectedIndex);
}
entries.forEach((entry, i) => entry.addEventListener("click", event => {
  const button = event.target.closest("button[data-truth]");
  if (!button) return;
  const [truth, predicted] = [Number(button.dataset.truth), Number(button.dataset.predicted)];
  const images = data.images.filter((_, image) => data.truth[image] === truth && data.predicted[i][image] === predicted);
  const panel = entry.querySelector(".images");
  const title = document.createElement("strong");
  const what = truth === predicted ? "recognised" : `taken for ${data.classes[predicted]}`;
  title.textContent = `${images.length} of ${data.classes[truth]}, ${what}`;
  const list = document.createElement("ul");
  list.append(...images.map(image => {
    const item = document.createElement("li");
    item.textContent = image;
    return item;
  }));
  panel.replaceChildren(title, list);
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest" });
}));
