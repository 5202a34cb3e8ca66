// What every page has: the colour scheme switch, copy buttons, source tabs and colours.

const KEYWORDS = {
  rust: "as async await break const continue crate else enum false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type use where while",
  javascript: "async await break catch class const continue else export false for from function if import in let new null of return throw true try typeof undefined while",
};

function themeSwitch() {
  const root = document.documentElement;
  document.querySelector("#theme").addEventListener("click", () => {
    const shown = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = shown === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("fanfare.theme", root.dataset.theme);
    } catch {
      // The switch still works for this page.
    }
  });
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
    getSelection().selectAllChildren(button.previousElementSibling);
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function commands() {
  // The certificate that the hub makes for itself is unknown to curl.
  const curl = location.protocol === "https:" ? "curl -k" : "curl";
  for (const code of document.querySelectorAll(".command code")) {
    if ("command" in code.dataset) {
      code.textContent = code.textContent.replaceAll("{curl}", curl).replaceAll("{origin}", location.origin);
      code.tabIndex = 0;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the command");
    button.addEventListener("click", () => copy(code.textContent, button));
    code.after(button);
  }
}

function tabs() {
  const all = [...document.querySelectorAll("[role=tab]")];
  const select = (chosen) => {
    for (const tab of all) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
    }
  };
  all.forEach((tab, at) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = all[(at + step + all.length) % all.length];
      select(next);
      next.focus();
    });
  });
  if (all.length > 0) select(all[0]);
}

// Cuts source into comments, strings, numbers and words; everything else stays as it is.
const TOKEN = /(\/\/[^\n]*)|("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|'(?:[^'\\\n]|\\.)')|(\b\d[\d_.]*\b)|([A-Za-z_]\w*)/g;

function colour(pre) {
  const keywords = new Set(KEYWORDS[pre.dataset.language].split(" "));
  const source = pre.textContent;
  const coloured = document.createDocumentFragment();
  let done = 0;
  for (const match of source.matchAll(TOKEN)) {
    const [token, comment, string, number, word] = match;
    const kind = comment ? "c" : string ? "s" : number ? "n" : keywords.has(word) ? "k" : /^[A-Z]/.test(word) ? "t" : "";
    if (!kind) continue;
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = token;
    coloured.append(source.slice(done, match.index), span);
    done = match.index + token.length;
  }
  coloured.append(source.slice(done));
  pre.replaceChildren(coloured);
}

themeSwitch();
commands();
tabs();
document.querySelectorAll("pre[data-language]").forEach(colour);
document.querySelector(".apps [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
