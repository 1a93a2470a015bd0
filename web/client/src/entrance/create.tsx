// Creating a room: a name, what kind, where. What was typed stays when the server refuses.

import { useState } from "preact/hooks";
import { CallError } from "../calls";
import { CITY_KEYS, cityName, cityZone } from "../cities";
import { viewerZone } from "../clock";
import { ask } from "../http";
import { lang, t } from "../i18n";
import { Dialog } from "../ui/dialog";
import { explainCode, kindName } from "../words";
import type { Room, RoomKind } from "../wire";

const KINDS: RoomKind[] = ["hall", "stage", "lobby", "interview", "desk", "booth", "table"];
const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A room's address from its name; a name without Latin letters gets a short random one. */
export function slug(name: string, kind: RoomKind, random: () => number = Math.random): string {
  const latin = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 48);
  return latin || `${kind}-${random().toString(36).slice(2, 7).padEnd(5, "0")}`;
}

export function CreateRoom({ token, onClose, onCreated }: { token: string; onClose: () => void; onCreated: () => void }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<RoomKind>("hall");
  const [city, setCity] = useState("guangzhou");
  const [id, setId] = useState<string | null>(null);
  const [fallback] = useState(() => slug("", "hall"));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError | null>(null);
  const address = id ?? (slug(name, kind, () => 0) === `${kind}-00000` ? `${kind}-${fallback.split("-")[1]}` : slug(name, kind));
  const valid = ID.test(address);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!name.trim() || !valid || busy) return;
    setBusy(true);
    setError(null);
    try {
      await ask<Room>("/api/v1/rooms", token, { id: address, kind, names: { [lang.value]: name.trim() }, city, zone: cityZone(city) ?? viewerZone.value });
      onCreated();
    } catch (cause) {
      setError(cause instanceof CallError ? cause : new CallError("internal", String(cause)));
    } finally {
      setBusy(false);
    }
  };
  const told = error && explainCode(error.code);
  return (
    <Dialog title={t("Create a room")} onClose={onClose} test="create-dialog">
      <form class="form" onSubmit={(event) => void submit(event)}>
        <label>
          <span>{t("Name")}</span>
          <input type="text" required maxLength={80} value={name} autofocus onInput={(event) => setName(event.currentTarget.value)} data-test="create-name" />
        </label>
        <div class="field-pair">
          <label>
            <span>{t("Kind")}</span>
            <select value={kind} onChange={(event) => setKind(event.currentTarget.value as RoomKind)} data-test="create-kind">
              {KINDS.map((each) => <option key={each} value={each}>{kindName(each)}</option>)}
            </select>
          </label>
          <label>
            <span>{t("City")}</span>
            <select value={city} onChange={(event) => setCity(event.currentTarget.value)} data-test="create-city">
              <option value="">{t("Online")}</option>
              {CITY_KEYS.map((key) => <option key={key} value={key}>{cityName(key)}</option>)}
            </select>
          </label>
        </div>
        <label>
          <span>{t("Address")}</span>
          <span class="prefixed"><span aria-hidden="true">/rooms/</span>
            <input type="text" value={address} maxLength={63} spellcheck={false} aria-invalid={!valid || error?.code === "exists"} onInput={(event) => setId(event.currentTarget.value.toLowerCase())} data-test="create-id" />
          </span>
          {!valid && <span class="field-error" role="alert">{t("Small Latin letters, digits and hyphens only.")}</span>}
        </label>
        {told && <p class="field-error" role="alert" data-test="create-error"><strong>{told.cause}</strong> {told.next}</p>}
        <div class="actions">
          <button type="button" class="button" onClick={onClose}>{t("Cancel")}</button>
          <button type="submit" class="button primary" disabled={busy || !name.trim() || !valid} data-test="create-submit">{t("Create")}</button>
        </div>
      </form>
    </Dialog>
  );
}
