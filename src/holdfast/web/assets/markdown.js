// Markdown of others, made safe: no HTML of theirs, no picture loaded, links to the web and to mail alone. The rendered blocks of a growing text
// are kept, so that only what has changed is drawn again, and what is selected stays selected.

import MarkdownIt from "/assets/vendor/markdown-it.js";
import { copy } from "./dom.js";

const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i;

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
markdown.validateLink = (url) => SAFE_LINK.test(url.trim());

const escape = markdown.utils.escapeHtml;
const rules = markdown.renderer.rules;

rules.link_open = (tokens, index, options, env, self) => {
  tokens[index].attrSet("target", "_blank");
  tokens[index].attrSet("rel", "noopener noreferrer");
  return self.renderToken(tokens, index, options);
};

// A picture is a link to it: whoever reads decides whether its server is asked.
rules.image = (tokens, index, options, env, self) => {
  const words = self.renderInlineAsText(tokens[index].children, options, env) || "a picture";
  const address = escape(tokens[index].attrGet("src") ?? "");
  return `<a class="picture" href="${address}" target="_blank" rel="noopener noreferrer">${escape(words)}</a>`;
};

rules.table_open = () => '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>';
rules.table_close = () => "</table></div>";
rules.th_open = rules.td_open = (tokens, index) => {
  const side = /(left|center|right)/.exec(tokens[index].attrGet("style") ?? "")?.[1];
  return `<${tokens[index].tag}${side ? ` class="${side}"` : ""}>`; // the policy refuses styles in the text
};

rules.heading_open = rules.heading_close = (tokens, index) => {
  const level = Math.min(Number(tokens[index].tag.slice(1)) + 1, 6); // the page has its own h1
  return tokens[index].nesting > 0 ? `<h${level}>` : `</h${level}>`;
};

rules.fence = rules.code_block = (tokens, index) => {
  const language = /^[\w+#.-]{1,24}/.exec(tokens[index].info)?.[0] ?? "";
  return (
    `<div class="code"><div class="code-head"><span>${escape(language)}</span><button type="button" class="copy">Copy</button></div>` +
    `<pre tabindex="0" role="group" aria-label="Code"><code>${escape(tokens[index].content.replace(/\n$/, ""))}</code></pre></div>`
  );
};

// The HTML of each top-level block.
function blocks(text) {
  const env = {};
  const found = [];
  let from = 0;
  const tokens = markdown.parse(text, env);
  tokens.forEach((token, index) => {
    if (token.level !== 0 || token.nesting > 0) return;
    found.push(markdown.renderer.render(tokens.slice(from, index + 1), markdown.options, env));
    from = index + 1;
  });
  return found;
}

// Draws the text into the element; of what is there already only from the first block on that differs.
export function draw(element, text) {
  const before = element.blocks ?? [];
  const now = blocks(text);
  let same = 0;
  while (same < now.length && before[same]?.html === now[same]) same++;
  for (const { nodes } of before.slice(same)) for (const node of nodes) node.remove();
  element.blocks = before.slice(0, same);
  for (const html of now.slice(same)) {
    const template = document.createElement("template");
    template.innerHTML = html; // the one place, and only what the renderer above made
    const nodes = [...template.content.childNodes];
    element.append(...nodes);
    element.blocks.push({ html, nodes });
  }
}

// "Copy" of the code blocks within the element.
export function copyCode(element) {
  element.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const done = await copy(button.closest(".code").querySelector("code").textContent);
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
