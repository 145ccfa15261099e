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

const percent = (value) => (100 * value).toFixed(1);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const within = (value, length) => Math.min(length - 1, Math.max(0, value));

const gallery = $("samples");
let run, index, colours; // the run shown, its index, the colour of each value of a map
let rows, shown, at; // its list, the places in the index that pass the filters, the place of the sample
let sample, maps, word, token; // the sample, its maps, the word chosen, the token of it (null: the one that counts)

// --- the list: filter, sort, choose ---------------------------------------------------------------------------------

async function openRun() {
  const key = index?.samples[at][1];
  run = $("run").value;
  index = await load(`${run}/index`);
  colours = index.colours.match(/../g).map((digits) => parseInt(digits, 16));
  fill($("category"), "any", index.categories);
  fill($("by"), "mean of explainers", index.explainers);
  for (const node of document.querySelectorAll(".if-scored")) node.hidden = !index.scored;
  painted($("bar"), 1, 256, (value) => [value, 255]);
  rows = index.samples.map(listed);
  at = Math.max(0, index.samples.findIndex((one) => one[1] === key));
  list();
  return choose(shown.includes(at) ? at : shown[0]);
}

function fill(select, first, names) {
  const options = [["", first], ...names.map((name, number) => [number, name])];
  select.replaceChildren(...options.map(([value, textContent]) => make("option", { value, textContent })));
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
  const each = index.explainers.map((_, number) => mean(objects.map((one) => one[number + 1] / 1000)));
  const value = by === "" ? mean(each) : each[Number(by)];
  return { place, value, spread: Math.max(...each) - Math.min(...each) };
}

const ORDERS = { worst: ["value", 1], best: ["value", -1], spread: ["spread", -1] };

/** Put the samples that pass the filters into the list, in the chosen order; those without a figure come last. */
function list() {
  const [category, parts] = [$("category").value, $("find").value.toLowerCase().split(/\s+/)];
  const passes = ([, key, text, absent, objects]) =>
    (category === "" || objects.some((one) => one[0] === Number(category))) &&
    (absent || !$("absent").checked) &&
    parts.every((part) => `${key} ${text}`.toLowerCase().includes(part));
  const ranked = [...index.samples.keys()].filter((place) => passes(index.samples[place])).map(worth);
  const [by, sign] = ORDERS[$("sort").value] ?? [];
  if (by) ranked.sort((one, other) => isNaN(one.value) - isNaN(other.value) || sign * (one[by] - other[by]) || 0);
  for (const { place, value } of ranked) {
    const marks = [isNaN(value) ? "" : `IoU ${percent(value)}`, index.samples[place][3] ? "⊘ absent object" : ""];
    rows[place].querySelector(".marks").textContent = marks.filter(Boolean).join(" · ");
  }
  shown = ranked.map((one) => one.place);
  $("list").replaceChildren(...shown.map((place) => rows[place]));
  $("count").textContent = `${shown.length} of ${index.samples.length}`;
}

async function choose(place) {
  if (place === undefined) return;
  for (const [node, chosen] of [[rows[at].firstChild, false], [rows[place].firstChild, true]]) {
    node.setAttribute("aria-current", chosen);
    node.tabIndex = chosen ? 0 : -1;
  }
  at = place;
  const [box, { offsetTop, offsetLeft, offsetHeight, offsetWidth }] = [$("list"), rows[at]];
  const [top, left] = [offsetTop - box.offsetTop, offsetLeft - box.offsetLeft]; // the list scrolls, not the page
  if (top < box.scrollTop || top + offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - offsetHeight;
  if (left < box.scrollLeft || left + offsetWidth > box.scrollLeft + box.clientWidth) box.scrollLeft = left - 40;
  const name = `${run}/${index.samples[at][0]}`;
  const found = await load(name);
  const opened = await Promise.all(found.maps.map(unpacked));
  if (name !== `${run}/${index.samples[at][0]}`) return; // another was chosen meanwhile
  [sample, maps] = [found, opened];
  drawSample();
}

/** Choose the sample so many places further in the list. */
const step = (by) => choose(shown[within(shown.indexOf(at) + by, shown.length)]);

/** The maps of one explainer as bytes, one map after the other. */
async function unpacked([height, width, text]) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { height, width, values: new Uint8Array(await new Response(stream).arrayBuffer()) };
}

// --- one sample: its caption, the word, the maps --------------------------------------------------------------------

/** The object that a word names, or helps to name: first word, words, category, figures. */
const objectOf = (place) => sample.objects.find(([first, count]) => place >= first && place < first + count);

/** The words chosen with a word: those of its phrase. */
function phraseOf(place) {
  const [first, count] = objectOf(place) ?? [place, 1];
  return sample.words.slice(first, first + count);
}

/** The tokens of a word and its phrase. */
const tokensOf = (place) =>
  phraseOf(place).flatMap(([, , first, count]) => Array.from({ length: count }, (_, number) => first + number));

function drawSample() {
  const [number, key] = index.samples[at];
  $("key").textContent = key;
  $("where").textContent = `sample ${number}, asked “${sample.prompt}”`;
  $("truth").replaceChildren(...sample.truth.map((textContent) => make("li", { dir: "auto", textContent })));
  $("truth").parentElement.hidden = !sample.truth.length;
  $("caption").classList.toggle("long", sample.words.length > 120);
  $("caption").replaceChildren(...sample.words.flatMap(([text, label], place) => {
    const object = objectOf(place);
    const className = object ? (object[3].length ? "object" : "absent") : label;
    const onclick = () => chooseWord(place);
    const button = make("button", { type: "button", className, textContent: text.trim() || "␣", onclick });
    return [/^\s/.test(text) ? " " : "", button];
  }));
  const wanted = [(place) => objectOf(place)?.[3].length, (place) => sample.words[place][1] === "noun", () => true];
  const places = [...sample.words.keys()];
  chooseWord(wanted.map((one) => places.find(one)).find((place) => place !== undefined));
}

function chooseWord(place) {
  [word, token] = [place, null];
  const chosen = place === undefined ? [] : phraseOf(place);
  [...$("caption").children].forEach((button, number) => {
    button.setAttribute("aria-pressed", chosen.includes(sample.words[number]));
    button.tabIndex = number === place ? 0 : -1;
  });
  drawMaps();
}

/** A word of several tokens: the one that counts under each explainer, or one of them under all. */
function drawTokens(object) {
  const tokens = word === undefined ? [] : tokensOf(word);
  const choices = [[null, object?.[3].length ? "the one that counts" : "the first"]];
  choices.push(...tokens.map((one, number) => [one, `token ${number + 1}`]));
  $("tokens").hidden = tokens.length < 2;
  $("tokens").lastElementChild.replaceChildren(...choices.map(([value, textContent]) => {
    const onclick = () => { token = value; drawMaps(); };
    const button = make("button", { type: "button", textContent, onclick });
    button.setAttribute("aria-pressed", value === token);
    return button;
  }));
}

function drawMaps() {
  const object = word === undefined ? undefined : objectOf(word);
  drawTokens(object);
  const outlines = sample.masks.map(([name, path]) => [path, object?.[2] === name]);
  const names = sample.masks.map(([name]) => name).join(", ");
  const named = make("figcaption", { dir: "auto", textContent: names && `masks: ${names}` });
  $("whole").replaceChildren(frame(contours(outlines)), named);
  const best = Math.max(...(object?.[3] ?? []).map((figures) => figures[0][1]));
  $("tiles").replaceChildren(...(word === undefined ? [] : index.explainers).map((name, number) => {
    const figures = object?.[3][number];
    const one = figures?.find(([its]) => its === token) ?? figures?.[0] ?? [token ?? tokensOf(word)[0]];
    const canvas = heat(maps[number], one[0], $("cut").checked ? one[4] ?? sample.thresholds[number] : null);
    canvas.setAttribute("aria-label", `map of “${sample.words[word][0].trim()}” under ${name}`);
    const star = figures?.[0][1] === best && index.explainers.length > 1 ? " ★" : "";
    const title = make("strong", { textContent: name + star });
    const text = make("span", { className: "figures", textContent: told(object, one, number) });
    const layers = frame(canvas, contours(outlines.filter(([, its]) => its)));
    return make("figure", {}, layers, make("figcaption", {}, title, make("br"), text));
  }));
}

/** What is known of the map of one token under one explainer. */
function told(object, [, iou, precision, recall], number) {
  if (iou !== undefined) return `IoU ${percent(iou)} · P ${percent(precision)} · R ${percent(recall)}`;
  if (object) return `⊘ no ${object[2]} in the image`;
  const share = sample.shares.find((each) => each[0] === word);
  return share ? `${percent(share[number + 1])} % below the threshold` : "";
}

/** The image in its own shape, and what lies on it. */
function frame(...layers) {
  const image = make("img", { src: `runs/${run}/${index.samples[at][0]}.jpg`, alt: "", decoding: "async" });
  const node = make("div", { className: "frame" }, image, ...layers);
  node.style.aspectRatio = `${sample.size[1]} / ${sample.size[0]}`;
  return node;
}

/** One map at its own grid, a pixel a cell, on the part of the image that it covers; faint up to `cut`. */
function heat({ height, width, values }, one, cut) {
  const canvas = painted(make("canvas", { role: "img" }), height, width, (cell) => {
    const value = values[one * width * height + cell];
    return [value, cut !== null && value <= cut ? 40 : 255];
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
  for (const id of ["category", "sort", "by", "absent"]) $(id).onchange = () => { list(); choose(shown[0]); };
  $("find").oninput = list;
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
    else chooseWord(within(to, sample.words.length));
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
