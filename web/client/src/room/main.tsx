// The room page: an invitation, "before you enter", the room, and the ways it ends.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { startClock } from "../clock";
import { loadLanguage, t } from "../i18n";
import { storedToken } from "../token";
import { Announcer } from "../ui/say";
import { expose } from "./debug";
import { EndingScreen } from "./endings";
import { Before } from "./before";
import { RoomView } from "./room";
import { Session } from "./session";

const root = document.getElementById("app")!;
const room = root.dataset["room"] ?? "";
const session = signal<Session | null>(null);

function begin(): void {
  const token = storedToken();
  session.value = token ? new Session(room, token) : null;
  if (session.value) expose(session.value);
}

function Page() {
  const here = session.value;
  const ending = here?.connection.ending.value ?? null;
  const title = here?.title() ?? t("Room");
  useEffect(startClock, []);
  useEffect(() => {
    document.title = `${title} · ${t("Yunhai")}`;
  }, [title, t("Yunhai")]);
  return (
    <>
      {!here ? <EndingScreen ending={{ reason: "no_token" }} again={begin} />
        : ending ? <EndingScreen ending={ending} again={begin} />
        : here.entered.value ? <RoomView session={here} />
        : <Before session={here} />}
      <Announcer />
    </>
  );
}

await loadLanguage();
begin();
root.replaceChildren();
render(<Page />, root);
