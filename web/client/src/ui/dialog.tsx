// A modal window on the browser's own <dialog>: it keeps the focus, Escape closes it, focus returns.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "./icons";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  test?: string;
  /** On a phone: from the bottom edge, under the thumb. */
  sheet?: boolean;
}

export function Dialog({ title, onClose, children, test, sheet }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current!;
    const before = document.activeElement as HTMLElement | null;
    dialog.showModal();
    // The element is gone from the page before it can give the focus back itself.
    return () => {
      dialog.close();
      before?.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={sheet ? "dialog sheet" : "dialog"}
      aria-labelledby={heading}
      data-test={test}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onClick={(event) => { if (event.target === element.current) onClose(); }}
    >
      <div class="dialog-box">
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="icon-button" onClick={onClose} aria-label={t("Close")}><Icon name="close" /></button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Ask before something that cannot be undone with one click. */
export function Confirm({ title, text, action, onYes, onNo }: { title: string; text: string; action: string; onYes: () => void; onNo: () => void }) {
  return (
    <Dialog title={title} onClose={onNo} test="confirm">
      <p>{text}</p>
      <div class="actions">
        <button type="button" class="button" onClick={onNo} autofocus>{t("Cancel")}</button>
        <button type="button" class="button warning" onClick={onYes} data-test="confirm-yes">{action}</button>
      </div>
    </Dialog>
  );
}
