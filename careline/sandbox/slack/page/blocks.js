// Draws Block Kit and mrkdwn with DOM nodes only. Text never becomes markup: it is hostile.
"use strict";

const EMOJI = {
  warning: "⚠️", rotating_light: "🚨", white_check_mark: "✅", x: "❌", hourglass: "⌛",
  hourglass_flowing_sand: "⏳", clock1: "🕐", alarm_clock: "⏰", stopwatch: "⏱️", speech_balloon: "💬",
  envelope: "✉️", lock: "🔒", bell: "🔔", no_bell: "🔕", zzz: "💤", fire: "🔥", eyes: "👀",
  bust_in_silhouette: "👤", busts_in_silhouette: "👥", robot_face: "🤖", link: "🔗", memo: "📝",
  red_circle: "🔴", large_orange_circle: "🟠", large_yellow_circle: "🟡", large_green_circle: "🟢",
  large_blue_circle: "🔵", white_circle: "⚪", arrow_up: "⬆️", arrow_right: "➡️", bird: "🐦",
  thumbsup: "👍", "+1": "👍", tada: "🎉", mailbox: "📫", mega: "📣", label: "🏷️", star: "⭐",
  slightly_smiling_face: "🙂", neutral_face: "😐", slightly_frowning_face: "🙁", angry: "😠", rage: "😡",
  globe_with_meridians: "🌐", pencil2: "✏️", wastebasket: "🗑️", information_source: "ℹ️", sos: "🆘",
  bulb: "💡", chart_with_upwards_trend: "📈", heavy_check_mark: "✔️", no_entry: "⛔", grey_question: "❔",
};

const Draw = { people: {}, rooms: {}, press: null };

function make(tag, name, ...inside) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  for (const item of inside) if (item !== null && item !== undefined) node.append(item);
  return node;
}

const decode = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const emojis = (text) => text.replace(/:([a-z0-9_+-]+):/g, (all, name) => EMOJI[name] ?? all);

function dateText(seconds, form, fallback) {
  const moment = new Date(Number(seconds) * 1000);
  if (Number.isNaN(moment.getTime())) return fallback;
  const day = (options) => moment.toLocaleDateString("en-GB", options);
  const today = new Date().toDateString() === moment.toDateString();
  const long = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
  const short = { day: "numeric", month: "short", year: "numeric" };
  const middle = { day: "numeric", month: "long", year: "numeric" };
  const time = (extra) => moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...extra });
  const minutes = Math.round((moment - Date.now()) / 60000);
  const ago = new Intl.RelativeTimeFormat("en").format(
    Math.abs(minutes) < 90 ? minutes : Math.round(minutes / 60), Math.abs(minutes) < 90 ? "minute" : "hour");
  const known = {
    date_num: moment.toISOString().slice(0, 10), date: day(middle), date_short: day(short), date_long: day(long),
    date_pretty: today ? "today" : day(middle), date_short_pretty: today ? "today" : day(short),
    date_long_pretty: today ? "today" : day(long), time: time(), time_secs: time({ second: "2-digit" }), ago,
  };
  return form.replace(/\{(\w+)\}/g, (all, name) => known[name] ?? all);
}

function anchor(url, label) {
  if (!/^(https?|mailto|tel):/i.test(url)) return document.createTextNode(label);
  const node = make("a", "", label);
  node.href = url; node.target = "_blank"; node.rel = "noopener noreferrer nofollow"; node.title = url;
  return node;
}

function angle(inside) {
  const [target, label] = inside.split(/\|(.*)/s);
  if (target.startsWith("@")) {
    return make("span", "person", `@${decode(label || Draw.people[target.slice(1)] || target.slice(1))}`);
  }
  if (target.startsWith("#")) {
    return make("span", "person", `#${decode(label || Draw.rooms[target.slice(1)] || target.slice(1))}`);
  }
  if (target.startsWith("!date^")) {
    const [, seconds, form, url] = target.split("^");
    const shown = dateText(seconds, decode(form || ""), decode(label || ""));
    return url ? anchor(decode(url), shown) : make("time", "", shown);
  }
  if (target.startsWith("!")) return make("span", "loud", `@${decode(label || target.slice(1))}`);
  return anchor(decode(target), decode(label || target));
}

const INLINE = /`([^`\n]+)`|<([^<>\n]+)>|(?<![A-Za-z0-9])(?:\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~)(?![A-Za-z0-9])/g;

function inline(text, into) {
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    into.append(emojis(decode(text.slice(at, found.index))));
    const [all, code, link, bold, slant, gone] = found;
    if (code !== undefined) into.append(make("code", "", decode(code)));
    else if (link !== undefined) into.append(angle(link));
    else into.append(inline(bold ?? slant ?? gone, make(bold ? "strong" : slant ? "em" : "s", "")));
    at = found.index + all.length;
  }
  into.append(emojis(decode(text.slice(at))));
  return into;
}

function mrkdwn(text) {
  const box = make("div", "text");
  box.dir = "auto";
  text.split("```").forEach((piece, index) => {
    if (index % 2) { box.append(make("pre", "", decode(piece.replace(/^\n/, "")))); return; }
    let quote = null;
    piece.split("\n").forEach((line, number, lines) => {
      const quoted = /^(&gt;|>) ?/.exec(line);
      if (quoted) {
        if (quote) quote.append("\n");
        else { quote = make("blockquote", ""); box.append(quote); }
        inline(line.slice(quoted[0].length), quote);
        return;
      }
      const after = quote !== null;
      quote = null;
      inline(line, box);
      if (number < lines.length - 1 && !/^(&gt;|>)/.test(lines[number + 1]) && !(after && !line)) box.append("\n");
    });
  });
  return box;
}

function words(value) {
  if (!value) return null;
  if (value.type === "mrkdwn") return mrkdwn(value.text);
  const box = make("div", "text", value.emoji === false ? value.text : emojis(value.text));
  box.dir = "auto";
  return box;
}

function element(item, block, where) {
  const act = (value, node) => Draw.press && Draw.press(where, block, item, value, node);
  if (item.type === "button") {
    const node = make(item.url ? "a" : "button", `button ${item.style || ""}`, emojis(item.text.text));
    if (item.url && /^https?:/i.test(item.url)) { node.href = item.url; node.target = "_blank"; node.rel = "noopener noreferrer"; }
    else node.type = "button";
    if (item.accessibility_label) node.setAttribute("aria-label", item.accessibility_label);
    node.addEventListener("click", () => act(item.value, node));
    return node;
  }
  if (item.type === "image") return make("span", "picture", item.alt_text || "image");
  const options = item.options || (item.type === "users_select" ? Object.entries(Draw.people).map(
    ([id, name]) => ({ value: id, text: { text: name } })) : null);
  if (options) {
    const node = make("select", "pick");
    const first = make("option", "", item.type === "overflow" ? "⋯ More" : emojis(item.placeholder?.text || "Choose…"));
    first.value = ""; node.append(first);
    node.setAttribute("aria-label", first.textContent);
    for (const option of options) {
      const choice = make("option", "", emojis(option.text.text));
      choice.value = option.value; node.append(choice);
    }
    if (item.initial_option) node.value = item.initial_option.value;
    node.addEventListener("change", () => { if (node.value) act(node.value, node); });
    return node;
  }
  return make("span", "picture", item.type);
}

function rich(item) {
  const kind = item.type;
  const inner = (into) => { for (const part of item.elements || []) into.append(rich(part)); return into; };
  if (kind === "rich_text_quote") return inner(make("blockquote", ""));
  if (kind === "rich_text_preformatted") return inner(make("pre", ""));
  if (kind === "rich_text_list") {
    const list = make(item.style === "ordered" ? "ol" : "ul", "");
    for (const part of item.elements || []) list.append(make("li", "", "• ", rich(part)));
    return list;
  }
  if (kind.startsWith("rich_text")) { const box = inner(make("div", "text")); box.dir = "auto"; return box; }
  if (kind === "link") return anchor(item.url, item.text || item.url);
  if (kind === "user") return make("span", "person", `@${Draw.people[item.user_id] || item.user_id}`);
  if (kind === "broadcast") return make("span", "loud", `@${item.range}`);
  if (kind === "emoji") return document.createTextNode(EMOJI[item.name] ?? `:${item.name}:`);
  if (kind === "date") return make("time", "", dateText(item.timestamp, item.format || "{date}", item.fallback || ""));
  let node = document.createTextNode(item.text ?? item.channel_id ?? "");
  const style = item.style || {};
  if (style.code) node = make("code", "", node);
  if (style.bold) node = make("strong", "", node);
  if (style.italic) node = make("em", "", node);
  if (style.strike) node = make("s", "", node);
  return node;
}

function drawBlock(block, where) {
  switch (block.type) {
    case "header": return make("div", "block header", words(block.text));
    case "divider": return make("hr", "divider");
    case "section": {
      const inner = make("div", "words", words(block.text));
      if (block.fields) inner.append(make("div", "fields", ...block.fields.map(words)));
      return make("div", "block section", inner, block.accessory ? element(block.accessory, block, where) : null);
    }
    case "context":
      return make("div", "block context", ...block.elements.map((e) => (e.type === "image" ? element(e, block, where) : words(e))));
    case "actions": return make("div", "block actions", ...block.elements.map((e) => element(e, block, where)));
    case "rich_text": { const box = make("div", "block"); for (const part of block.elements) box.append(rich(part)); return box; }
    case "image": return make("div", "block picture", block.alt_text);
    case "markdown": return make("div", "block", make("div", "text", block.text));
    default: return make("div", "block picture", block.type);
  }
}
