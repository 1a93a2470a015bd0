// The viewer's language. A message's key is its English sentence; zh and ja come from the gettext
// catalogues under web/locales, compiled to JSON by tools/locales.py and loaded when wanted.

import { signal } from "@preact/signals";

export type Lang = "zh" | "en" | "ja";
type Catalogue = Record<string, string | string[]>;

export const LANGS: readonly { id: Lang; tag: string; name: string }[] = [
  { id: "zh", tag: "zh-Hans", name: "简体中文" },
  { id: "en", tag: "en", name: "English" },
  { id: "ja", tag: "ja", name: "日本語" },
];

const LOADERS: Record<Lang, () => Promise<{ default: unknown }>> = {
  zh: () => import("./locales/zh_Hans.json"),
  en: () => import("./locales/en.json"),
  ja: () => import("./locales/ja.json"),
};

export const lang = signal<Lang>("en");
const catalogue = signal<Catalogue>({});

/** The language as a BCP 47 tag, for Intl and the page. */
export function tag(): string {
  return lang.value === "zh" ? "zh-CN" : lang.value === "ja" ? "ja-JP" : "en-GB";
}

/** Load the page's language, as the server chose it. */
export async function loadLanguage(): Promise<void> {
  await setLanguage(toLang(document.documentElement.lang), false);
}

/** Change the language in place; `keep` also tells the server for the next page. */
export async function setLanguage(next: Lang, keep = true): Promise<void> {
  catalogue.value = (await LOADERS[next]()).default as Catalogue;
  lang.value = next;
  document.documentElement.lang = LANGS.find(({ id }) => id === next)!.tag;
  if (keep) document.cookie = `lang=${next}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
}

export function toLang(text: string): Lang {
  const short = text.slice(0, 2).toLowerCase();
  return short === "zh" || short === "ja" ? short : "en";
}

export type Values = Record<string, string | number>;

/** Translate a sentence; `{name}` in it is replaced from `values`. */
export function t(message: string, values?: Values): string {
  const found = catalogue.value[message];
  return fill(typeof found === "string" && found ? found : message, values);
}

/** Translate a sentence that depends on a number, which it may show as `{count}`. */
export function tn(one: string, many: string, count: number, values?: Values): string {
  const forms = catalogue.value[one];
  const index = lang.value === "en" && count !== 1 ? 1 : 0;
  const found = Array.isArray(forms) ? forms[index] : undefined;
  const shown = new Intl.NumberFormat(tag()).format(count);
  return fill(found || (count === 1 ? one : many), { count: shown, ...values });
}

function fill(message: string, values: Values | undefined): string {
  if (!values) return message;
  return message.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}
