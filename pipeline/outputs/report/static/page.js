"use strict";
// The gallery. What comes from a run is put in as text and numbers, never as markup; its files come as scripts, since a
// page opened from disk may fetch nothing.

const $ = (id) => document.getElementById(id);
const loaded = new Map();
const waiting = new Map();

/** What the files of a run call. */
function seewhy(name, value) {
  loaded.set(name, value);
}

/** The value of one file; each is loaded once. */
function load(name) {
  const added = (resolve, reject) => {
    const script = make("script", { src: `runs/${name}.js` });
    script.onload = () => resolve(loaded.get(name));
    script.onerror = () => reject(new Error(`${script.src} is missing`));
    document.head.append(script);
  };
  if (!waiting.has(name)) waiting.set(name, new Promise(added));
  return waiting.get(name);
}

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}


const gallery = $("samples");
let run, index, colours; // the run shown, its index, the colour of each value of a map
let rows, shown, at; // its list, the places in the index that pass the filters, the place of the sample
let turn = 0; // how often the list was asked for
let sample, word, token; // what is drawn, the word chosen, the token of it (null: the one that counts)

// --- the list: filter, sort, choose ---------------------------------------------------------------------------------

async function openRun() {
  const [wanted, key] = [$("run").value, index?.samples[at][1]];
  const found = await load(`${wanted}/index`);
  if (wanted !== $("run").value) return; // another was chosen meanwhile
  [run, index] = [wanted, found];
  $("sample").classList.add("stale");
  colours = index.colours.match(/../g).map((digits) => parseInt(digits, 16));
  fill($("category"), "any", index.categories);
  fill($("by"), "mean of explainers", index.explainers);
  gallery.dataset.has = index.has; // what it lacks the styles hide
  painted($("bar"), 1, 256, (value) => [value, 255]);
  rows = index.samples.map(listed);
  at = Math.max(0, index.samples.findIndex((one) => one[1] === key));
  return list(at);
}

function fill(select, first, names) {
  const before = select.selectedIndex > 0 && select.selectedOptions[0].textContent; // of another run; stays if it can
  const options = [["", first], ...names.map((name, number) => [number, name])];
  select.replaceChildren(...options.map(([value, textContent]) => make("option", { value, textContent })));
  select.selectedIndex = names.indexOf(before) + 1;
}

function listed([number, key, textContent], place) {
  const picture = make("img", { src: `runs/${run}/${number}.thumb.jpg`, alt: "", loading: "lazy", decoding: "async" });
  const said = make("span", { className: "said", dir: "auto", textContent });
  const onclick = () => choose(place);
  const marks = make("span", { className: "marks" });
  return make("li", {}, make("button", { type: "button", tabIndex: -1, title: key, onclick }, picture, said, marks));
}

/** IoU of a sample under the chosen explainer, and how far explainers lie apart; over the chosen category. */
function worth(place) {
  const [category, by] = [$("category").value, $("by").value];
  const objects = index.samples[place][4].filter((one) => category === "" || one[0] === Number(category));
  const each = index.explainers.map((_, number) => sum(objects, number + 2) / sum(objects, 1) / 1000);
  const known = each.filter((one) => !isNaN(one)); // without those of explainers that failed
  return { place, value: by === "" ? mean(known) : each[Number(by)], spread: Math.max(...known) - Math.min(...known) };
}

const ORDERS = { worst: ["value", 1], best: ["value", -1], spread: ["spread", -1] };

/** Put the samples that pass the filters into the list, in the chosen order, those without a figure last; and choose
    one: that at `place` if it passes, else the first. */
async function list(place) {
  const [mine, category] = [++turn, $("category").value];
  const parts = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = parts.length ? await load(`${run}/texts`) : [];
  if (mine !== turn) return; // asked for again meanwhile
  const passes = ([, key, , absent, objects], number) =>
    (category === "" || objects.some((one) => one[0] === Number(category))) &&
    (absent || !$("absent").checked) &&
    parts.every((part) => `${key} ${texts[number]}`.toLowerCase().includes(part));
  const ranked = [...index.samples.keys()].filter((number) => passes(index.samples[number], number)).map(worth);
  const [by, sign] = ORDERS[$("sort").value] ?? [];
  if (by) ranked.sort((one, other) => isNaN(one.value) - isNaN(other.value) || sign * (one[by] - other[by]) || 0);
  for (const { place, value } of ranked) {
    const marks = [isNaN(value) ? "" : `IoU ${percent(value)}`, index.samples[place][3] ? "⊘ absent object" : ""];
    rows[place].querySelector(".marks").textContent = marks.filter(Boolean).join(" · ");
  }
  shown = ranked.map((one) => one.place);
  $("list").replaceChildren(...shown.map((place) => rows[place]));
  $("count").textContent = `${shown.length} of ${index.samples.length}`;
  return choose(shown.includes(place) ? place : shown[0]);
}

/** Show one sample; none where nothing passes the filters, so that no picture stands under what it is not of. */
async function choose(place) {
  $("none").hidden = place !== undefined;
  $("sample").hidden = place === undefined;
  if (place === undefined) return;
  for (const [node, chosen] of [[rows[at].firstChild, false], [rows[place].firstChild, true]]) {
    node.setAttribute("aria-current", chosen);
    node.tabIndex = chosen ? 0 : -1;
  }
  at = place;
  const [box, { offsetTop, offsetLeft, offsetHeight, offsetWidth }] = [$("list"), rows[at]];
  box.scrollTop = within(box.scrollTop, offsetTop + offsetHeight - box.clientHeight, offsetTop);
  box.scrollLeft = within(box.scrollLeft, offsetLeft + offsetWidth - box.clientWidth, offsetLeft); // never the page
  const [number, key] = index.samples[at];
  const [name, { explainers }] = [`${run}/${number}`, index];
  const found = await load(name);
  const maps = await Promise.all(found.maps.map(unpacked));
  if (name !== `${run}/${index.samples[at][0]}`) return; // another was chosen meanwhile
  sample = { ...found, maps, name, number, key, explainers };
  drawSample();
}

/** Choose the sample so many places further in the list. */
const step = (by) => choose(shown[within(shown.indexOf(at) + by, 0, shown.length - 1)]);

// --- one sample: its caption, the word, the maps --------------------------------------------------------------------

/** What a click on a word chooses, often more than this word: first token, tokens, category, figures. */
const unitOf = (place) => (place === undefined ? [0, 0, null, []] : sample.units[sample.words[place][2]]);

function drawSample() {
  $("sample").classList.remove("stale");
  $("key").textContent = sample.key;
  $("where").textContent = `sample ${sample.number}${sample.file && `, ${sample.file}`}, asked “${sample.prompt}”`;
  $("truth").replaceChildren(...sample.truth.map((textContent) => make("li", { dir: "auto", textContent })));
  $("truth").parentElement.hidden = !sample.truth.length;
  $("caption").classList.toggle("long", sample.words.map(([text]) => text).join("").length > 600);
  $("caption").replaceChildren(...sample.words.flatMap(([text, className], place) => {
    const onclick = () => chooseWord(place);
    const button = make("button", { type: "button", className, textContent: text.trim() || "␣", onclick });
    return [/^\s/.test(text) ? " " : "", button];
  }));
  const first = ["object", "noun"].map((kind) => sample.words.findIndex((one) => one[1] === kind));
  chooseWord(first.find((place) => place >= 0) ?? (sample.words.length ? 0 : undefined));
}

function chooseWord(place) {
  [word, token] = [place, null];
  [...$("caption").children].forEach((button, number) => {
    button.setAttribute("aria-pressed", sample.words[number][2] === sample.words[place][2]);
    button.tabIndex = number === place ? 0 : -1;
  });
  drawTokens();
  drawMaps();
}

/** The tokens of a unit in the answer's order: those that have figures. */
const tokensOf = (each) => (each.find((tokens) => tokens?.length) ?? []).map(([its]) => its).sort((a, b) => a - b);

/** A word of several tokens: the one that counts under each explainer, or one of them under all. */
function drawTokens() {
  const [, count, category, each] = unitOf(word);
  const label = sample.masks.some(([name]) => name === category) ? "the one that counts" : "the first";
  const choices = [[null, label], ...tokensOf(each).map((one, at) => [one, `token ${at + 1}`])];
  const buttons = choices.map(([, textContent]) => make("button", { type: "button", textContent }));
  const press = (chosen) => buttons.forEach((button) => button.setAttribute("aria-pressed", button === chosen));
  buttons.forEach((button, at) => { button.onclick = () => { token = choices[at][0]; press(button); drawMaps(); }; });
  press(buttons[0]);
  $("tokens").hidden = count < 2;
  $("tokens").lastElementChild.replaceChildren(...buttons);
}

function drawMaps() {
  const [, , category, each] = unitOf(word);
  const outlines = sample.masks.map(([name, path]) => [path, category === name]);
  const own = outlines.filter(([, its]) => its);
  const names = sample.masks.flatMap(([textContent]) => [", ", make("bdi", { textContent })]);
  const named = make("figcaption", {}, names.length ? "masks: " : "", ...names.slice(1));
  $("whole").replaceChildren(frame("the image", contours(outlines)), named);
  const shown = each.map((tokens) => tokens && (tokens.find((one) => one[0] === token) ?? tokens[0]));
  const best = own.length ? bestOf(shown.filter(Boolean).map((one) => one[2])) : NaN;
  $("tiles").replaceChildren(...shown.map((of, number) => {
    const name = sample.explainers[number];
    if (of === null) return failedTile(name);
    const [its, least, ...figures] = of;
    const canvas = heat(sample.maps[number], its, $("cut").checked ? least : null);
    canvas.setAttribute("aria-label", `map of “${sample.words[word][0].trim()}” under ${name}`);
    const title = make("strong", { textContent: name + (figures[0] === best ? " ★" : "") });
    const text = make("span", { className: "figures", dir: "auto", textContent: told(figures, category) });
    return make("figure", {}, frame("", canvas, contours(own)), make("figcaption", {}, title, make("br"), text));
  }));
}

/** In the place of a map of an explainer that failed: the reason. */
function failedTile(name) {
  const reason = make("span", { className: "figures", dir: "auto", textContent: `failed: ${sample.failed[name] ?? "no map"}` });
  return make("figure", {}, make("figcaption", {}, make("strong", { textContent: name }), make("br"), reason));
}

/** The image in its own shape, and what lies on it. */
function frame(alt, ...layers) {
  const image = make("img", { src: `runs/${sample.name}.jpg`, alt, decoding: "async" });
  const node = make("div", { className: "frame" }, image, ...layers);
  node.style.aspectRatio = `${sample.size[1]} / ${sample.size[0]}`;
  return node;
}

/** One map at its own grid, a pixel a cell, on the part of the image that it covers; faint below `least`. */
function heat({ height, width, values }, one, least) {
  const canvas = painted(make("canvas", { role: "img" }), height, width, (cell) => {
    const value = values[one * width * height + cell];
    return [value, least !== null && value < least ? 40 : 255];
  });
  const [top, left, bottom, right] = sample.box.map((side) => 100 * side);
  Object.assign(canvas.style, { top: `${top}%`, left: `${left}%` });
  Object.assign(canvas.style, { height: `${bottom - top}%`, width: `${right - left}%` });
  return canvas;
}

/** A canvas whose cells have the colours of the values that `of` gives, with their opacity. */
function painted(canvas, height, width, of) {
  Object.assign(canvas, { height, width });
  const pixels = new ImageData(width, height);
  for (let cell = 0; cell < height * width; cell++) {
    const [value, opacity] = of(cell);
    pixels.data.set([...colours.slice(3 * value, 3 * value + 3), opacity], 4 * cell);
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** Outlines of masks, each on a dark rim. */
function contours(outlines) {
  const add = (parent, tag, attributes) => {
    const node = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", tag));
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const [height, width] = sample.size;
  const svg = { viewBox: `-0.5 -0.5 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const drawn = add(document.createDocumentFragment(), "svg", svg);
  for (const [d, its] of outlines) for (const name of ["rim", its ? "its" : ""]) add(drawn, "path", { d, class: name });
  return drawn;
}

// --- what the reader does -------------------------------------------------------------------------------------------

const ARROWS = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };

function listen() {
  $("run").onchange = openRun;
  for (const id of ["category", "sort", "by", "absent"]) $(id).onchange = () => list();
  $("find").oninput = () => list(at);
  $("clear").onclick = () => {
    [$("find").value, $("category").value, $("absent").checked] = ["", "", false];
    list(at);
  };
  $("cut").onchange = drawMaps;
  $("outline").onchange = () => gallery.classList.toggle("bare", !$("outline").checked);
  $("smooth").onchange = () => gallery.classList.toggle("smooth", $("smooth").checked);
  $("blend").oninput = () => gallery.style.setProperty("--strength", $("blend").value / 100);
  $("back").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  $("caption").onkeydown = async (event) => {
    const right = getComputedStyle($("caption")).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: word + right, ArrowLeft: word - right, Home: 0, End: sample.words.length - 1 }[event.key];
    if (to === undefined && !ARROWS[event.key]) return;
    event.preventDefault();
    if (to === undefined) await step(ARROWS[event.key]);
    else chooseWord(within(to, 0, sample.words.length - 1));
    $("caption").children[word]?.focus();
  };
  $("list").onkeydown = (event) => {
    const by = { ...ARROWS, ArrowRight: 1, ArrowLeft: -1, Home: -shown.length, End: shown.length }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
    rows[at].firstChild.focus();
  };
}

if (gallery) {
  listen();
  gallery.hidden = false;
  openRun();
}
