// The page: follows what changes, and acts as the person who is chosen at the lower left.
"use strict";

const at = (id) => document.getElementById(id);
const state = { user: "", channel: "", revision: 0, shown: new Map(), counts: {}, seen: {}, view: null, thread: "", home: null, oldest: "" };
const wanted = new URLSearchParams(location.search);

async function ask(path, body) {
  const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const answer = await fetch(`/ui/${path}`, options);
  return answer.json();
}

const clock = (ts) => new Date(Number(ts) * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const nameOf = (id) => Draw.people[id] || id;

function drawMessage(message, threaded) {
  const box = make("div", "body");
  const head = make("div", "head", make("b", "", nameOf(message.user)));
  if (message.bot_id) head.append(make("span", "badge", "APP"));
  head.append(make("time", "", clock(message.ts)));
  if (message.is_ephemeral) box.append(make("span", "eyes", "👁 Only visible to you"));
  box.append(head);
  if (message.blocks?.length) for (const block of message.blocks) box.append(drawBlock(block, message));
  else box.append(mrkdwn(message.text || ""));
  if (message.edited) box.append(make("span", "edited", "(edited)"));
  if (message.reactions) box.append(make("div", "reactions", ...message.reactions.map((r) => make("span", "", `${EMOJI[r.name] || `:${r.name}:`} ${r.count}`))));
  const count = message.replies?.length || 0;
  if (count && !threaded) {
    const more = make("button", "answers", `${count} ${count === 1 ? "reply" : "replies"}`);
    more.type = "button";
    more.addEventListener("click", () => openThread(message.ts));
    box.append(more);
  }
  const face = make("div", "face", nameOf(message.user).slice(0, 1).toUpperCase());
  face.setAttribute("aria-hidden", "true");
  const row = make("li", `message${message.is_ephemeral ? " whisper" : ""}`, face, box);
  row.dataset.ts = message.ts;
  return row;
}

function place(message) {
  const list = at("messages");
  const old = list.querySelector(`[data-ts="${message.ts}"]`);
  if (message.thread_ts && message.thread_ts !== message.ts && !message.is_ephemeral) return;
  if (message.deleted) { old?.remove(); state.shown.delete(message.ts); return; }
  if (!old && state.oldest && message.ts < state.oldest) return;
  state.shown.set(message.ts, message);
  const row = drawMessage(message);
  if (old) { old.replaceWith(row); return; }
  const after = [...list.children].find((other) => other.dataset.ts > message.ts);
  list.insertBefore(row, after || null);
}

function openThread(ts) {
  state.thread = ts;
  const message = state.shown.get(ts);
  at("thread").hidden = !message;
  if (message) at("replies").replaceChildren(...[message, ...(message.replies || [])].map((m) => drawMessage({ ...m, channel: message.channel }, true)));
}

Draw.press = async (where, block, item, value, node) => {
  if (item.confirm && !window.confirm(`${item.confirm.title?.text || ""}\n\n${item.confirm.text?.text || ""}`)) return;
  node.disabled = true;
  const body = { user: state.user, action_id: item.action_id, block_id: block.block_id || "", value: value ?? null };
  if (where.body_of_view) body.view = where.body_of_view; else { body.channel = where.channel; body.ts = where.ts; }
  const done = await ask("press", body).catch(() => ({ ok: false, error: "unreachable" }));
  node.disabled = false;
  const row = node.closest(".body, .sheet, .log");
  row?.querySelector(".fault")?.remove();
  if (!done.ok) row?.append(make("div", "fault", fault(done.error)));
  follow();
};

const fault = (code) => ({
  no_ack: "⚠ careline did not answer within 3 seconds. Nothing was sent; try again.",
  not_connected: "⚠ careline is not connected to Slack.",
  no_such_control: "⚠ This button is no longer there.",
}[code] || `⚠ ${code}`);

async function openChannel(id) {
  state.channel = id; state.home = null; state.thread = ""; at("thread").hidden = true;
  const page = await ask(`messages?channel=${id}&user=${state.user}`);
  state.shown.clear(); at("messages").replaceChildren();
  state.oldest = page.more ? page.messages[0].ts : "";
  page.messages.forEach(place);
  at("older").hidden = !page.more;
  at("title").textContent = `# ${Draw.rooms[id] || ""}`;
  at("about").textContent = page.messages.length ? "" : "No messages yet.";
  at("compose").hidden = false;
  state.seen[id] = state.counts[id];
  drawRooms();
  at("log").scrollTop = at("log").scrollHeight;
}

async function older() {
  const before = state.oldest;
  const page = await ask(`messages?channel=${state.channel}&before=${before}`);
  const height = at("log").scrollHeight;
  state.oldest = page.more ? page.messages[0].ts : "";
  page.messages.forEach(place);
  at("older").hidden = !page.more;
  at("log").scrollTop += at("log").scrollHeight - height;
}

function drawRooms() {
  at("channels").replaceChildren(...state.rooms.map((room) => {
    const node = make("button", "room", make("span", "", room.is_private ? "🔒" : "#"), room.name);
    node.type = "button";
    node.append(make("span", "count", String(state.counts[room.id] || "")));
    if ((state.counts[room.id] || 0) > (state.seen[room.id] || 0) && room.id !== state.channel) node.classList.add("new");
    node.setAttribute("aria-current", String(room.id === state.channel));
    node.addEventListener("click", () => openChannel(room.id));
    return make("li", "", node);
  }));
}

function drawHome() {
  at("title").textContent = "careline · Home";
  at("about").textContent = "";
  at("older").hidden = true; at("compose").hidden = true;
  const box = make("li", "message");
  const body = make("div", "body");
  if (state.home === true) body.append(make("p", "empty", "careline has not published a Home tab for you yet."));
  else for (const block of state.home.blocks) body.append(drawBlock(block, { body_of_view: state.home.id }));
  box.append(body);
  at("messages").replaceChildren(box);
}

function input(block) {
  const item = block.element;
  const label = make("label", "field", make("span", "", block.label.text, block.optional ? make("em", "", " (optional)") : null));
  let node;
  if (item.options && item.type === "checkboxes") {
    node = make("div", "");
    for (const option of item.options) {
      const tick = make("input", ""); tick.type = "checkbox"; tick.value = option.value;
      node.append(make("div", "", tick, emojis(option.text.text)));
    }
  } else if (item.options || item.type === "users_select") node = element(item, block, {});
  else if (item.type === "plain_text_input" && item.multiline) node = make("textarea", "");
  else {
    node = make("input", "");
    node.type = { number_input: "number", datepicker: "date", timepicker: "time", email_text_input: "email", url_text_input: "url" }[item.type] || "text";
  }
  if (item.initial_value) node.value = item.initial_value;
  if (item.initial_date) node.value = item.initial_date;
  if (item.placeholder && "placeholder" in node) node.placeholder = item.placeholder.text;
  node.dataset.block = block.block_id; node.dataset.action = item.action_id || "";
  label.append(node);
  const hint = make("small", "", block.hint?.text || "");
  if (item.max_length) {
    const count = make("span", "");
    const tell = () => { count.textContent = `${node.value.length}/${item.max_length}`; };
    node.addEventListener("input", tell); tell(); hint.append(count);
  }
  label.append(hint, make("div", "fault"));
  return label;
}

function drawModal(view) {
  const form = at("form");
  const sheet = make("div", "sheet");
  for (const block of view.blocks) sheet.append(block.type === "input" ? input(block) : drawBlock(block, { body_of_view: view.id }));
  const cancel = make("button", "button", view.close?.text || "Cancel");
  cancel.type = "button";
  cancel.addEventListener("click", () => { ask("close", { user: state.user, view: view.id }).then(follow); });
  const foot = make("div", "foot", cancel);
  if (view.submit) { const send = make("button", "button primary", view.submit.text); send.type = "submit"; foot.append(send); }
  form.replaceChildren(make("h2", "", view.title?.text || ""), sheet, foot);
  form.dataset.view = view.id;
}

async function submit(event) {
  event.preventDefault();
  const form = at("form");
  const values = {};
  for (const node of form.querySelectorAll("[data-block]")) {
    const many = node.tagName === "DIV" ? [...node.querySelectorAll("input:checked")].map((tick) => tick.value) : null;
    (values[node.dataset.block] ??= {})[node.dataset.action] = many || (node.value === "" ? null : node.value);
  }
  form.querySelector("[type=submit]").disabled = true;
  const done = await ask("submit", { user: state.user, view: form.dataset.view, values });
  const send = form.querySelector("[type=submit]");
  if (send) send.disabled = false;
  form.querySelectorAll(".fault").forEach((node) => { node.textContent = ""; });
  for (const [name, text] of Object.entries(done.errors || {})) {
    const where = form.querySelector(`[data-block="${CSS.escape(name)}"]`)?.closest(".field")?.querySelector(".fault");
    (where || form.querySelector(".sheet").appendChild(make("div", "fault"))).textContent = text;
  }
  if (!done.ok && !Object.keys(done.errors || {}).length) form.querySelector(".sheet").append(make("div", "fault", fault(done.error)));
  follow();
}

function showView(view) {
  const mark = view ? `${view.id}${view.hash}` : null;
  if (mark === state.view) return;
  state.view = mark;
  if (!view) { at("modal").close(); return; }
  drawModal(view);
  if (!at("modal").open) at("modal").showModal();
}

let busy = false;
async function follow() {
  if (busy) return;
  busy = true;
  try {
    const log = at("log");
    const low = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const page = await ask(`changes?since=${state.revision}&user=${state.user}&channel=${state.channel}`);
    state.revision = page.revision;
    if (JSON.stringify(page.counts) !== JSON.stringify(state.counts)) { state.counts = page.counts; if (Object.keys(page.counts).length > state.rooms.length) await learn(); drawRooms(); }
    if (state.home) { const mark = page.home?.hash; if (page.home && mark !== state.home.hash) { state.home = page.home; drawHome(); } }
    else {
      page.messages.forEach(place);
      if (page.messages.length) { state.seen[state.channel] = state.counts[state.channel]; at("about").textContent = ""; }
      if (page.messages.some((m) => m.ts === state.thread || m.thread_ts === state.thread) && state.thread) openThread(state.thread);
      if (low && page.messages.length) log.scrollTop = log.scrollHeight;
    }
    at("link").textContent = page.connected ? `● ${page.connected} socket${page.connected > 1 ? "s" : ""} connected` : "○ app not connected";
    showView(page.view);
  } catch { at("link").textContent = "○ sandbox stopped"; } finally { busy = false; }
}

async function learn() {
  const all = await ask("workspace");
  for (const user of all.users) Draw.people[user.id] = user.real_name || user.name;
  for (const room of all.channels) Draw.rooms[room.id] = room.name;
  state.rooms = all.channels;
  state.revision ||= all.revision;
  const known = at("user").value;
  at("user").replaceChildren(...all.users.filter((user) => !user.is_bot).map((user) => {
    const node = make("option", "", user.real_name || user.name); node.value = user.id; return node;
  }));
  if (known) at("user").value = known;
}

async function start() {
  await learn();
  const byName = state.rooms.find((room) => room.name === wanted.get("channel"));
  const person = [...at("user").options].find((option) => option.text.toLowerCase() === (wanted.get("user") || "").toLowerCase());
  if (person) at("user").value = person.value;
  state.user = at("user").value;
  for (const room of state.rooms) { state.counts[room.id] = room.messages; state.seen[room.id] = room.messages; }
  at("user").addEventListener("change", () => { state.user = at("user").value; state.view = null; at("modal").close(); if (state.channel) openChannel(state.channel); });
  at("older").addEventListener("click", older);
  at("form").addEventListener("submit", submit);
  at("modal").addEventListener("cancel", (event) => { event.preventDefault(); ask("close", { user: state.user, view: at("form").dataset.view }).then(follow); });
  at("unthread").addEventListener("click", () => { state.thread = ""; at("thread").hidden = true; });
  at("home").addEventListener("click", () => { state.channel = ""; state.home = true; drawHome(); drawRooms(); ask("home", { user: state.user }).then(follow); });
  at("compose").addEventListener("submit", async (event) => {
    event.preventDefault();
    const done = await ask("command", { user: state.user, channel: state.channel, line: at("line").value });
    at("about").textContent = done.ok ? "" : fault(done.error);
    at("line").value = ""; follow();
  });
  const first = byName || state.rooms.find((room) => room.messages) || state.rooms[0];
  if (first) await openChannel(first.id);
  if (wanted.get("thread")) openThread([...state.shown.values()].find((m) => m.replies?.length)?.ts || "");
  setInterval(follow, 800);
  follow();
}

start();
