// What is true in the room, and how an event changes it: the twin of rooms/live.py and
// rooms/events.py. One fixture file (tests/contracts/snapshot_law.json) holds both to one meaning.

import { CHAT_TAIL, type Envelope, type Live, type Message, type Participant, type RoomEvent } from "./wire";

/** Return the room after `event`. An event about an absent person or track, or of an unknown name, changes nothing. */
export function apply(live: Live, named: Pick<Envelope, "name" | "data">): Live {
  const event = named as unknown as RoomEvent;
  switch (event.name) {
    case "room.updated":
      return { ...live, room: event.data.room };
    case "participant.joined":
    case "participant.updated": {
      const { participant } = event.data;
      return { ...live, participants: { ...live.participants, [participant.identity]: participant } };
    }
    case "participant.left": {
      const { identity } = event.data;
      return {
        ...live,
        participants: without(live.participants, (person) => person.identity === identity),
        tracks: without(live.tracks, (track) => track.identity === identity),
        stage: live.stage === identity ? null : live.stage,
      };
    }
    case "hand.raised":
      return change(live, event.data.identity, { hand_ms: event.data.at_ms });
    case "hand.lowered":
      return change(live, event.data.identity, { hand_ms: null });
    case "floor.given":
      return change(live, event.data.identity, { floor: true, hand_ms: null });
    case "floor.taken":
      return change(live, event.data.identity, { floor: false });
    case "role.changed":
      return change(live, event.data.identity, { role: event.data.role });
    case "stage.changed":
      return { ...live, stage: event.data.identity };
    case "track.published":
    case "track.updated": {
      const { track } = event.data;
      if (!Object.hasOwn(live.participants, track.identity)) return live;
      return { ...live, tracks: { ...live.tracks, [track.id]: track } };
    }
    case "track.unpublished": {
      const { id } = event.data;
      return { ...live, tracks: without(live.tracks, (track) => track.id === id) };
    }
    case "chat.posted":
      return { ...live, messages: merge(live.messages, [event.data.message]).slice(-CHAT_TAIL) };
    case "recording.started": {
      const people = Object.entries(live.participants);
      const unasked = Object.fromEntries(people.map(([identity, person]) => [identity, { ...person, recording_consent: null }]));
      return { ...live, recording: event.data.recording, participants: unasked };
    }
    case "recording.stopped":
    case "recording.failed":
      return live.recording?.id === event.data.id ? { ...live, recording: null } : live;
    case "recording.answered":
      return change(live, event.data.identity, { recording_consent: event.data.given });
    default:
      return live;
  }
}

function without<T>(map: Record<string, T>, gone: (value: T) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => !gone(value)));
}

function change(live: Live, identity: string, changes: Partial<Participant>): Live {
  if (!Object.hasOwn(live.participants, identity)) return live;
  const person = live.participants[identity]!;
  return { ...live, participants: { ...live.participants, [identity]: { ...person, ...changes } } };
}

/** Unite two runs of messages by number, oldest first; the later copy of a number wins. */
export function merge(one: readonly Message[], other: readonly Message[]): Message[] {
  const byNumber = new Map(one.map((message) => [message.number, message]));
  for (const message of other) byNumber.set(message.number, message);
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}
