// Why somebody is not in the room any more, or not yet, and the one thing to do next.

import { useEffect, useRef } from "preact/hooks";
import type { Ending } from "../connection";
import { t } from "../i18n";
import { Logo } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import { explainCode } from "../words";
import type { Code } from "../wire";

interface Told {
  title: string;
  text: string;
  again?: string;
}

function tell({ reason }: Ending): Told {
  switch (reason) {
    case "left": return { title: t("You have left the room"), text: t("Thank you for coming. You can come back at any time while the room is open."), again: t("Enter again") };
    case "removed": return { title: t("A moderator removed you from this room"), text: t("Your invitation no longer opens it. If you think this is a mistake, please contact the organiser.") };
    case "room_closed": return { title: t("This room has closed"), text: t("Thank you for being here. Rooms that are open now are listed at the entrance.") };
    case "replaced": return { title: t("You entered this room somewhere else"), text: t("Only the newest tab or device stays connected."), again: t("Use this tab instead") };
    case "expired": return { title: t("Your invitation has expired"), text: t("Please open your invitation link again, or ask the organiser for a new one.") };
    case "no_token": return { title: t("This room needs an invitation"), text: t("Please open the link from your invitation on this device. If it opened in another tab, go on there.") };
    case "room_full": return { title: t("The room is full"), text: t("Please try again in a minute; places become free when people leave."), again: t("Try again") };
    case "not_found": return { title: t("This room is not there"), text: t("There is no such room, or your invitation does not open it. Please check the link, or look at the entrance for rooms you can enter.") };
    default: {
      const { cause, next } = explainCode(reason as Code);
      return { title: cause, text: next, again: t("Try again") };
    }
  }
}

export function EndingScreen({ ending, again }: { ending: Ending; again: () => void }) {
  const told = tell(ending);
  const heading = useRef<HTMLHeadingElement>(null);
  // The room around the focus is gone; whoever cannot see hears why.
  useEffect(() => heading.current?.focus(), [ending.reason]);
  return (
    <div class="page">
      <header class="page-head">
        <a class="brand" href="/"><Logo /><span>{t("Yunhai")}</span></a>
        <LanguageChoice />
      </header>
      <main class="notice" data-test="ending" data-reason={ending.reason}>
        <h1 ref={heading} tabIndex={-1}>{told.title}</h1>
        <p>{told.text}</p>
        <div class="actions start">
          {told.again && <button type="button" class="button primary" onClick={again} data-test="again">{told.again}</button>}
          <a class={told.again ? "button" : "button primary"} href="/">{t("Go to the entrance")}</a>
        </div>
      </main>
    </div>
  );
}
