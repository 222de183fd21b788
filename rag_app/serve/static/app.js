// The page works without this. It adds: answers as they are written, the cited page beside the answer,
// dropped and pasted files, progress of work, zoom and keys. Text from papers and models is set as text, never as HTML;
// HTML comes from the server alone, which escapes it.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const wide = matchMedia("(min-width: 68rem)");

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// --- asking ----------------------------------------------------------------------------------------------------------

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

function asking(form) {
  const box = $("textarea", form);
  const button = $("button.main", form);
  const name = button.textContent;
  const picture = $("input[type=file]", form);
  let stop = null;
  if (picture) attaching(form, box, picture);

  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!stop) form.requestSubmit();
    }
  });

  button.addEventListener("click", (event) => {
    if (!stop) return;
    event.preventDefault();  // nothing is to be sent, whether or not the next question has been begun
    stop.abort();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (stop) return;
    const shown = picture?.files[0];
    if (shown?.size > Number(form.dataset.most)) return void alert(form.dataset.tooLarge);
    stop = new AbortController();
    const pending = element("section", "turn pending");
    const asked = element("h2", "", box.value.trim() || shown?.name);
    asked.dir = "auto";
    const state = element("p", "state", shown ? form.dataset.looking : form.dataset.searching);
    state.setAttribute("role", "status");
    const draft = element("div", "draft");
    draft.dir = "auto";
    pending.append(asked, state, draft);
    $("#turns").append(pending);
    pending.scrollIntoView({ block: "start", behavior: "instant" });
    const body = new FormData(form);
    if (!shown) body.delete("picture");
    const question = box.value;
    box.value = "";
    button.textContent = button.dataset.stop;
    const fail = (sentence) => {
      draft.remove();
      state.className = "failed";
      state.textContent = sentence;
      box.value ||= question;
    };
    try {
      const response = await fetch(form.action, {
        method: "POST", body: shown ? body : new URLSearchParams(body), signal: stop.signal,
        headers: { Accept: "application/x-ndjson" },
      });
      if (!response.ok) return fail((await response.json()).error);
      let ended = false;
      for await (const line of lines(response)) {
        if (line.asked) asked.after(element("p", "meta asked-as", `→ ${line.asked}`));
        if (line.text) {
          state.textContent = form.dataset.drafting;
          draft.append(line.text);
        }
        if (line.error) fail(line.error);
        if (line.html) {
          answered(pending, line.html);
          if (shown) detach(picture);
        }
        ended ||= Boolean(line.error || line.html);
      }
      if (!ended) fail(form.dataset.wrong);
    } catch (error) {
      fail(error.name === "AbortError" ? form.dataset.stopped : `${form.dataset.wrong}: ${error.message}`);
    } finally {
      stop = null;
      button.textContent = name;
      if (wide.matches) box.focus({ preventScroll: true });  // elsewhere a keyboard would cover the answer
    }
  });
}

// A picture that is pasted into the question or dropped on it is asked about, like one that is chosen.
function attaching(form, box, picture) {
  const take = (event, files) => {
    if (!files?.length) return;
    event.preventDefault();
    const given = new DataTransfer();
    given.items.add(files[0]);
    picture.files = given.files;
    picture.dispatchEvent(new Event("change"));
  };
  picture.addEventListener("change", () => {
    box.required = !picture.files.length;
    $(".look", form).open = Boolean(picture.files.length);
  });
  form.addEventListener("paste", (event) => take(event, event.clipboardData?.files));
  form.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  form.addEventListener("drop", (event) => take(event, event.dataTransfer?.files));
}

function detach(picture) {
  picture.value = "";
  picture.dispatchEvent(new Event("change"));
}

function answered(pending, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const turn = holder.content.firstElementChild;
  pending.replaceWith(turn);
  $(".desk").classList.remove("empty");
  turn.scrollIntoView({ block: "start", behavior: "instant" });
  $("#keep").hidden = false;
  $(".talk h1").className = "unseen";
  $(".talk .lead")?.remove();
  const first = $(".cite", turn);
  if (first && wide.matches) beside(first);
}

// --- the cited page beside the answer -----------------------------------------------------------------------------------

let clicks = 0;

async function beside(link) {
  const address = new URL(link.href);
  const panel = $("#panel");
  const page = address.pathname + address.search;
  const click = ++clicks;
  if (panel.dataset.page !== page) {
    const response = await fetch(page, { headers: { "X-Part": "sheet" } });
    if (!response.ok) return void (location.href = link.href);
    const html = await response.text();
    if (click !== clicks) return;  // another place was chosen meanwhile
    panel.innerHTML = html;
    panel.dataset.page = page;
  }
  $$(".box.current", panel).forEach((one) => one.classList.remove("current"));
  $$(".open").forEach((one) => one.classList.remove("open"));
  $$("a.cite, a.n").filter((one) => one.href === link.href).forEach((one) => one.classList.add("open"));
  const box = $(address.hash, panel);
  if (!box) return;
  const number = address.hash.slice(2);
  $$(".box", panel).filter((one) => one.getAttribute("href") === `#c${number}`).forEach((one) => one.classList.add("current"));
  panel.scrollTo({ top: box.getBoundingClientRect().top - panel.getBoundingClientRect().top + panel.scrollTop - innerHeight / 4 });
}

function citing() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".turn a[href*='#b']");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
    if (!link || !plain || !wide.matches) return;
    event.preventDefault();
    beside(link);
  });
}

// --- files that are dropped or pasted -----------------------------------------------------------------------------------

function dropping(form) {
  const input = $("input[type=file]", form);
  const note = $("[data-note]", form);

  const take = (files) => {
    if (!files.length) return;
    const given = new DataTransfer();
    [...files].slice(0, input.multiple ? files.length : 1).forEach((file) => given.items.add(file));
    input.files = given.files;
    form.requestSubmit();
  };
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || form.classList.remove("over"));
  addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
  form.addEventListener("submit", (event) => {
    const words = form.dataset.words && document.getElementById(form.dataset.words);
    if (words) form.elements[form.dataset.words].value = words.value;
    const size = [...input.files].reduce((sum, file) => sum + file.size, 0);
    if (size <= Number(form.dataset.most)) return;
    event.preventDefault();
    note.textContent = form.dataset.tooLarge;
    note.classList.add("unverified");
  });
}

// --- work in hand -----------------------------------------------------------------------------------------------------------

async function watching(place) {
  const running = () => $("[data-over=no]", place);
  while (running()) {
    await new Promise((done) => setTimeout(done, 700));
    const response = await fetch("/work", { headers: { Accept: "application/json" } }).catch(() => null);
    if (!response?.ok) return;
    const said = await response.json();
    place.innerHTML = said.html;
    if (said.over) return location.reload();
  }
}

// --- one page of a paper ------------------------------------------------------------------------------------------------------

const STEPS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3];

function viewing(tools) {
  const scroll = $(".scroll");
  const sheet = $(".sheet", scroll);
  const picture = $("img", sheet);
  const shown = $("[data-zoom=fit]", tools);
  const goto = $(".goto", tools);
  let step = STEPS.indexOf(1);
  $(".zoom", tools).hidden = goto.hidden = false;

  const zoom = (to) => {
    step = Math.max(0, Math.min(STEPS.length - 1, to));
    sheet.style.setProperty("--zoom", STEPS[step]);
    shown.textContent = `${STEPS[step] * 100}%`;
    if (STEPS[step] > 1 && picture && scroll.dataset.sharp) picture.src = scroll.dataset.sharp;
  };
  const change = { in: () => zoom(step + 1), out: () => zoom(step - 1), fit: () => zoom(STEPS.indexOf(1)) };
  $$("[data-zoom]", tools).forEach((button) => button.addEventListener("click", change[button.dataset.zoom]));
  goto.addEventListener("submit", (event) => {
    event.preventDefault();
    const page = Number(goto.elements.page.value);
    if (page >= 1 && page <= Number(goto.dataset.last)) location.href = goto.getAttribute("action") + page + goto.dataset.more;
  });
  const leftward = document.documentElement.dir === "rtl" ? "next" : "prev";
  const rightward = leftward === "next" ? "prev" : "next";
  const keys = { ArrowLeft: leftward, ArrowRight: rightward, "+": "in", "=": "in", "-": "out", 0: "fit" };
  addEventListener("keydown", (event) => {
    const does = keys[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (change[does]) return change[does]();
    if (event.target.closest(".scroll") && scroll.scrollWidth > scroll.clientWidth) return;
    $(`a[rel=${does}]`, tools)?.click();
  });
}

// ------------------------------------------------------------------------------------------------------------------------------

if ($("#ask")) asking($("#ask"));
if ($("#panel")) citing();
if ($(".drop")) dropping($(".drop"));
if ($("#work")) watching($("#work"));
if ($(".viewing .tools")) viewing($(".tools"));
$$("[data-confirm]").forEach((form) =>
  form.addEventListener("submit", (event) => confirm(form.dataset.confirm) || event.preventDefault()));
