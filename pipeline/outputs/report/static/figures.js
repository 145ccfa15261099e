"use strict";
// Figures and maps of the gallery, as numbers and as text.

const percent = (value) => (100 * value).toFixed(2);
const sum = (lists, column) => lists.reduce((all, one) => all + (one[column] ?? NaN), 0);
const mean = (values) => values.reduce((all, one) => all + one, 0) / values.length;
const within = (value, least, most) => Math.min(most, Math.max(least, value));

/** The highest of these figures, unless that is 0 or all are the same: then none is the best. */
function bestOf(figures) {
  const most = Math.max(...figures);
  return most > 0 && most > Math.min(...figures) ? most : NaN;
}

/** What is known of the map of one token under one explainer. */
function told(figures, category) {
  const [one, other, third] = figures.map(percent);
  if (figures.length === 3) return `IoU ${one} · P ${other} · R ${third}`;
  if (figures.length) return `${one} % below the threshold${other ? `, ${other} % over the word's tokens` : ""}`;
  return category === null ? "" : `⊘ not in the image: ${category}`;
}

/** The maps of one explainer as bytes, one map after the other. */
async function unpacked(packed) {
  if (packed === null) return null; // its explainer failed
  const [height, width, text] = packed;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { height, width, values: new Uint8Array(await new Response(stream).arrayBuffer()) };
}
