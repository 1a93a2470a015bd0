// Short news: shown for a few seconds, and spoken to those who do not look.

import { signal } from "@preact/signals";
import { t } from "../i18n";
import { Icon } from "./icons";

export interface Toast {
  id: number;
  text: string;
  detail?: string;
  tone: "plain" | "warning";
  action?: { label: string; run: () => void };
}

const SHOWN_MS = 6_000;

export const toasts = signal<Toast[]>([]);
const spoken = signal("");
let last = 0;

export function toast(text: string, options: Partial<Omit<Toast, "id" | "text">> = {}): void {
  last += 1;
  const id = last;
  const same = toasts.value.filter((each) => each.text !== text);
  toasts.value = [...same, { id, text, tone: "plain" as const, ...options }].slice(-3);
  setTimeout(() => dismiss(id), options.tone === "warning" || options.action ? SHOWN_MS * 2 : SHOWN_MS);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

/** Say something to screen readers only. */
export function announce(text: string): void {
  // The same sentence twice is read twice only if the region changed in between.
  spoken.value = spoken.value === text ? `${text}\u00a0` : text;
}

export function Announcer() {
  return (
    <>
      <div class="sr-only" role="status" aria-live="polite" data-test="announcer">{spoken}</div>
      <div class="toasts" role="status" aria-live="polite">
        {toasts.value.map(({ id, text, detail, tone, action }) => (
          <div key={id} class={`toast ${tone}`} data-test="toast">
            <p>
              {text}
              {detail && <span class="muted"> {detail}</span>}
            </p>
            {action && (
              <button type="button" class="button small" onClick={() => { dismiss(id); action.run(); }}>{action.label}</button>
            )}
            <button type="button" class="icon-button" onClick={() => dismiss(id)} aria-label={t("Close")}><Icon name="close" /></button>
          </div>
        ))}
      </div>
    </>
  );
}
