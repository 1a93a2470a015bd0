// The words of roles, rooms, troubles and refusals: cause and next step, in the viewer's language.

import type { CallCode } from "./calls";
import type { DeviceTrouble } from "./devices";
import { lang, t } from "./i18n";
import type { Role, Room, RoomKind, Source } from "./wire";

/** A room's name in the viewer's language, else the first it has. */
export function roomName(room: Pick<Room, "id" | "names">): string {
  return room.names[lang.value] ?? room.names["en"] ?? Object.values(room.names)[0] ?? room.id;
}

/** The room's names in the other languages, without repeats. */
export function otherNames(room: Pick<Room, "id" | "names">): { lang: string; name: string }[] {
  const seen = new Set([roomName(room)]);
  return Object.entries(room.names).flatMap(([tag, name]) => {
    if (seen.has(name)) return [];
    seen.add(name);
    return [{ lang: tag, name }];
  });
}

export function roleName(role: Role): string {
  switch (role) {
    case "moderator": return t("Moderator");
    case "speaker": return t("Speaker");
    case "member": return t("Member");
    case "viewer": return t("Viewer");
  }
}

export function kindName(kind: RoomKind): string {
  switch (kind) {
    case "lobby": return t("Lobby");
    case "hall": return t("Hall");
    case "stage": return t("Stage");
    case "interview": return t("Interview room");
    case "desk": return t("Service desk");
    case "booth": return t("Booth");
    case "table": return t("Table");
  }
}

export function sourceName(source: Source): string {
  switch (source) {
    case "microphone": return t("Microphone");
    case "camera": return t("Camera");
    case "screen":
    case "screen_audio": return t("Shared screen");
  }
}

export interface Explanation {
  cause: string;
  next: string;
}

/** A refusal or a missing answer, in words. */
export function explainCode(code: CallCode): Explanation {
  switch (code) {
    case "offline": return { cause: t("You are not connected right now."), next: t("We are reconnecting; please try again in a moment.") };
    case "timeout": return { cause: t("The venue did not answer in time."), next: t("Please try again.") };
    case "bad_token": return { cause: t("Your invitation is not valid, or has expired."), next: t("Please open your invitation link again, or ask the organiser for a new one.") };
    case "not_found": return { cause: t("There is no such room, or your invitation does not open it."), next: t("Please check the link, or look at the entrance for rooms you can enter.") };
    case "forbidden": return { cause: t("Your role does not allow this."), next: t("Please ask a moderator.") };
    case "room_full": return { cause: t("The room is full."), next: t("Please try again in a minute; places become free when people leave.") };
    case "removed": return { cause: t("A moderator removed you from this room."), next: t("If you think this is a mistake, please contact the organiser.") };
    case "rate_limited": return { cause: t("That was a little too fast."), next: t("Please wait a few seconds and try again.") };
    case "too_large": return { cause: t("That is too long to send."), next: t("Please shorten it and try again.") };
    case "exists": return { cause: t("This address is already taken."), next: t("Please choose another one.") };
    case "conflict": return { cause: t("Something changed in the meantime."), next: t("Please look again and repeat it if you still want it.") };
    case "bad_sdp": return { cause: t("This browser and the venue found no common way to send sound or pictures."), next: t("Please update your browser or try another one. Chat works either way.") };
    case "unavailable": return { cause: t("Part of the venue is being restored."), next: t("It will be back soon; we keep trying.") };
    case "not_joined": return { cause: t("You are not in the room any more."), next: t("Please enter again.") };
    case "bad_command":
    case "internal": return { cause: t("Something went wrong on our side."), next: t("Please try again; if it keeps happening, tell the organiser.") };
  }
}

/** Why a device cannot be used, and what to do about it. */
export function explainTrouble({ kind, device }: DeviceTrouble): Explanation {
  if (device === "screen") return { cause: t("The screen could not be shared."), next: t("Please check the system's permission for screen recording, then try again.") };
  const camera = device === "camera";
  switch (kind) {
    case "refused": return {
      cause: camera ? t("The browser is not allowed to use the camera.") : t("The browser is not allowed to use the microphone."),
      next: t("Please allow it with the icon beside the address, then press “Try again”."),
    };
    case "missing": return {
      cause: camera ? t("No camera was found.") : t("No microphone was found."),
      next: camera ? t("Plug one in, or go on without a picture.") : t("Plug one in, or go on as a listener and write in the chat."),
    };
    case "busy": return {
      cause: camera ? t("Another program is using the camera.") : t("Another program is using the microphone."),
      next: t("Close the other program or tab that uses it, then press “Try again”."),
    };
    case "insecure": return {
      cause: t("This page was not opened securely, so the browser withholds camera and microphone."),
      next: t("Please open it with an address that begins with https://, or on the venue's own computer."),
    };
    case "inapp": return {
      cause: t("This app's built-in browser has no camera or microphone."),
      next: t("Copy the link and open it in your phone's browser. Chat works here too."),
    };
    case "unknown": return {
      cause: camera ? t("The camera did not start.") : t("The microphone did not start."),
      next: t("Unplug it and plug it in again, or choose another one."),
    };
  }
}
