// Finds web addresses in plain text. Only http and https; everything else stays text. The result
// is data for the page to render, never HTML.

export type Piece = { text: string; href?: string };

// CJK text has no spaces around an address, so it ends at CJK letters and punctuation too.
const ADDRESS = /(?<![\w:/@])https?:\/\/[^\s<>"'`{}|\\^\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]+/giu;
const TRAILING = /[.,;:!?…]+$/u;

export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const shown = trim(match[0]);
    const href = safe(shown);
    if (!href) continue;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ text: shown, href });
    end = match.index + shown.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/** Leave closing punctuation to the sentence, but keep a bracket that the address opened. */
function trim(address: string): string {
  let shown = address.replace(TRAILING, "");
  for (const [open, close] of [["(", ")"], ["[", "]"]] as const) {
    while (shown.endsWith(close) && shown.split(close).length > shown.split(open).length) {
      shown = shown.slice(0, -1).replace(TRAILING, "");
    }
  }
  return shown;
}

function safe(address: string): string | undefined {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  // https://bank.example@evil.example/ shows one host and opens another.
  if (url.username || url.password || !url.hostname) return undefined;
  return url.href;
}
