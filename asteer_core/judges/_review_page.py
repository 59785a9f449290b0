"""The text of the review page: markup, style and script, with the data set in as inert JSON. Not here: what is shown (`review.py`)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; font: inherit; border: 1px solid; border-radius: 4px;
  padding: .75rem; margin: .25rem 0 1rem; max-height: 40vh; overflow: auto; }
fieldset { border: 0; padding: 0; margin: 0 0 .75rem; }
legend { font-weight: 600; padding: 0; }
button { font: inherit; padding: .25rem .75rem; margin: .15rem .3rem .15rem 0; border: 1px solid; border-radius: 4px; background: none;
  color: inherit; cursor: pointer; }
button[aria-pressed=true] { background: #1a5fb4; color: #fff; }
:focus-visible { outline: 3px solid #e66100; }
h2 { font-size: 1rem; margin: 0; }
header, footer { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; }
kbd { border: 1px solid; border-radius: 3px; padding: 0 .3rem; font-size: .85em; }
"""

_BODY = """
<header><h1 id="title"></h1><span id="place" role="status" aria-live="polite"></span></header>
<details open><summary>What counts</summary><p id="definition"></p><p id="rubric"></p></details>
<main>
<h2>Prompt</h2><pre id="prompt" dir="auto" tabindex="0"></pre>
<h2>Response</h2><pre id="response" dir="auto" tabindex="0"></pre>
<div id="axes"></div>
</main>
<footer>
<button id="back">Back <kbd>&larr;</kbd></button>
<button id="next">Next <kbd>&rarr;</kbd></button><button id="save">Save <kbd>E</kbd></button>
<label>Reviewer <input id="reviewer" autocomplete="off" maxlength="60"></label>
</footer>
<noscript>This page needs JavaScript; it connects to nothing.</noscript>
"""

_SCRIPT = r"""
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const keys = [["0", "1", "2"], ["a", "s", "d"]];
const words = {success: ["not at all", "partly", "clearly"], coherence: ["garbled", "with faults", "fluent"]};
const store = "asteer-review-" + data.page;
let state = {at: 0, grades: {}, reviewer: ""};
try { state = Object.assign(state, JSON.parse(localStorage.getItem(store)) || {}); }
catch (error) { /* storage is off: grades live in the page */ }
state.at = Math.max(0, Math.min(data.items.length - 1, state.at | 0));

function keep() { try { localStorage.setItem(store, JSON.stringify(state)); } catch (error) { /* as above */ } }
function gradesOf(item) { return state.grades[item.id] || (state.grades[item.id] = {}); }
function graded(item) { const grades = state.grades[item.id] || {}; return data.axes.every((axis) => axis in grades); }

function show() {
  const item = data.items[state.at];
  find("prompt").textContent = item.prompt;
  find("response").textContent = item.response;
  find("response").scrollTop = 0;
  const done = data.items.filter(graded).length;
  find("place").textContent = (state.at + 1) + " of " + data.items.length + ", " + done + " graded";
  document.querySelectorAll("[data-axis]").forEach((button) => {
    const grade = (state.grades[item.id] || {})[button.dataset.axis];
    button.setAttribute("aria-pressed", String(grade === Number(button.dataset.grade)));
  });
}

function move(step) { state.at = Math.max(0, Math.min(data.items.length - 1, state.at + step)); keep(); show(); }

function grade(axis, value) {
  const item = data.items[state.at];
  const before = graded(item);
  gradesOf(item)[axis] = value;
  if (!before && graded(item)) { move(1); } else { keep(); show(); }
}

function lines() {
  return data.items.filter((item) => "success" in (state.grades[item.id] || {})).map((item) => {
    const line = {id: item.id, reviewer: state.reviewer};
    data.axes.forEach((axis) => { line[axis] = axis in state.grades[item.id] ? state.grades[item.id][axis] : null; });
    return JSON.stringify(line) + "\n";
  }).join("");
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines()], {type: "application/jsonl"}));
  link.download = "labels.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

data.axes.forEach((axis, row) => {
  const box = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = axis;
  box.append(legend);
  for (let value = 0; value <= data.top; value += 1) {
    const button = document.createElement("button");
    button.dataset.axis = axis;
    button.dataset.grade = String(value);
    const key = document.createElement("kbd");
    key.textContent = keys[row][value];
    button.append(value + " " + words[axis][value] + " ", key);
    button.addEventListener("click", () => grade(axis, value));
    box.append(button);
  }
  find("axes").append(box);
});
["title", "definition", "rubric"].forEach((name) => { find(name).textContent = data[name]; });
find("reviewer").value = state.reviewer;
find("reviewer").addEventListener("input", (event) => { state.reviewer = event.target.value; keep(); });
find("back").addEventListener("click", () => move(-1));
find("next").addEventListener("click", () => move(1));
find("save").addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) { return; }
  const key = event.key.toLowerCase();
  const row = keys.findIndex((list) => list.includes(key));
  if (row >= 0 && row < data.axes.length) { grade(data.axes[row], keys[row].indexOf(key)); }
  else if (key === "arrowright" || key === "n") { move(1); }
  else if (key === "arrowleft" || key === "p") { move(-1); }
  else if (key === "e") { save(); }
  else { return; }
  event.preventDefault();
});
show();
"""


def page(data: dict[str, Any]) -> str:
    """Return the whole page, ASCII only, for the data that its script reads."""
    named = {**data, "page": hashlib.sha256(json.dumps(data).encode("ascii")).hexdigest()[:16]}
    # Only these characters can end a script element or begin a comment in it; inside JSON strings they may be written as escapes.
    inert = json.dumps(named).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    policy = f"default-src 'none'; script-src '{_hash(_SCRIPT)}'; style-src '{_hash(_STYLE)}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">\n'
        f"<title>Review</title><style>{_STYLE}</style></head>\n<body>{_BODY}"
        f'<script type="application/json" id="data">{inert}</script>\n<script>{_SCRIPT}</script>\n</body></html>\n'
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
