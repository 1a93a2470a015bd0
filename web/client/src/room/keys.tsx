// The keyboard: one letter for each control, never while somebody types; and their list.

import { useEffect } from "preact/hooks";
import { canShare } from "../devices";
import { t } from "../i18n";
import { Dialog } from "../ui/dialog";
import type { Media, Mode } from "../media";
import type { Session } from "./session";

interface Shortcut {
  key: string;
  name: () => string;
  run: (session: Session) => void;
}

const SHORTCUTS: Shortcut[] = [
  { key: "m", name: () => t("Microphone on or off"), run: (session) => { const { media } = session; if (session.may("publish.microphone") && media.mode.value !== "text") void media.setMicrophone(!media.microphoneOn.value); } },
  { key: "v", name: () => t("Camera on or off"), run: (session) => { const { media } = session; if (session.may("publish.camera") && media.mode.value === "everything") void media.setCamera(!media.cameraOn.value); } },
  { key: "s", name: () => t("Share a screen, or stop sharing"), run: (session) => { const { media } = session; if (session.may("publish.screen") && canShare()) void media.share(media.screen.value === null); } },
  { key: "h", name: () => t("Raise or lower your hand"), run: (session) => { if (session.may("hand.raise")) session.toggleHand(); } },
  { key: "c", name: () => t("Open or close the chat"), run: (session) => session.togglePanel("chat") },
  { key: "p", name: () => t("Open or close the list of people"), run: (session) => session.togglePanel("people") },
  { key: "g", name: () => t("Grid or stage"), run: ({ layout }) => { layout.value = layout.value === "stage" ? "grid" : "stage"; } },
  { key: "a", name: () => t("Audio first, or everything again"), run: ({ media }) => toggle(media, "audio") },
  { key: "t", name: () => t("Text only, or everything again"), run: ({ media }) => toggle(media, "text") },
  { key: "l", name: () => t("Leave the room"), run: ({ open }) => { open.value = "leave"; } },
  { key: "?", name: () => t("This list"), run: ({ open }) => { open.value = open.value === "help" ? null : "help"; } },
];

function toggle(media: Media, mode: Mode): void {
  media.setMode(media.mode.value === mode ? "everything" : mode);
}

/** Whether a key press belongs to something that takes letters itself. */
export function takesLetters(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function useShortcuts(session: Session): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat || takesLetters(event.target)) return;
      if (session.open.value !== null && event.key !== "?") return;
      const shortcut = SHORTCUTS.find(({ key }) => key === event.key.toLowerCase());
      if (!shortcut) return;
      event.preventDefault();
      shortcut.run(session);
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [session]);
}

export function HelpDialog({ session }: { session: Session }) {
  return (
    <Dialog title={t("Keyboard shortcuts")} onClose={() => { session.open.value = null; }} test="help-dialog">
      <dl class="keys">
        {SHORTCUTS.map(({ key, name }) => (
          <div key={key}><dt><kbd>{key.toUpperCase()}</kbd></dt><dd>{name()}</dd></div>
        ))}
        <div><dt><kbd>Esc</kbd></dt><dd>{t("Close what is open")}</dd></div>
      </dl>
      <p class="muted">{t("Shortcuts rest while you type.")}</p>
    </Dialog>
  );
}
