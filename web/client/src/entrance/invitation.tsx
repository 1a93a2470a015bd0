// Getting in without a token: what an invitation is, and a field for its link.

import { useState } from "preact/hooks";
import { t } from "../i18n";
import { localPath, storeToken } from "../token";

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The token and the path to go on to, from a pasted link or a bare token. */
export function readInvitation(text: string): { token: string; next: string } | null {
  const pasted = text.trim();
  if (TOKEN.test(pasted)) return { token: pasted, next: "/" };
  try {
    const url = new URL(pasted, location.origin);
    const fragment = new URLSearchParams(url.hash.slice(1));
    const token = fragment.get("token") ?? "";
    return TOKEN.test(token) ? { token, next: localPath(fragment.get("next") ?? url.searchParams.get("next")) } : null;
  } catch {
    return null;
  }
}

export function Invitation({ expired, onToken }: { expired: boolean; onToken: (token: string) => void }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    const read = readInvitation(text);
    setWrong(read === null);
    if (!read) return;
    storeToken(read.token);
    if (read.next === "/") onToken(read.token);
    else location.assign(read.next);
  };
  return (
    <section class="panel" aria-labelledby="invitation-title" data-test="invitation">
      <h2 id="invitation-title">{expired ? t("Your invitation is not valid any more") : t("You enter with an invitation")}</h2>
      <ol class="steps">
        <li>{t("Open the link from your invitation on this device. It signs you in by itself; there is no password.")}</li>
        <li>{t("No link? Ask the organiser who invited you; one link is for one person.")}</li>
        <li>{t("Did you start this venue yourself? Links for every role are printed in the terminal.")}</li>
      </ol>
      <form onSubmit={submit} class="inline-form">
        <label for="invitation">{t("Or paste the link here")}</label>
        <div class="field-row">
          <input
            id="invitation"
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={text}
            aria-invalid={wrong}
            aria-describedby={wrong ? "invitation-error" : undefined}
            onInput={(event) => { setText(event.currentTarget.value); setWrong(false); }}
            data-test="invitation-input"
          />
          <button type="submit" class="button primary" data-test="invitation-submit">{t("Enter")}</button>
        </div>
        {wrong && <p id="invitation-error" class="field-error" role="alert">{t("This is not an invitation link. Please copy the whole link, from “http” to its end.")}</p>}
      </form>
    </section>
  );
}
