// The wire contract, as rooms/*.py declares it.

export type RoomKind = "lobby" | "hall" | "stage" | "interview" | "desk" | "booth" | "table";
export type Role = "moderator" | "speaker" | "member" | "viewer";
export type Source = "microphone" | "camera" | "screen" | "screen_audio";
export type Kind = "audio" | "video";
export type Code =
  | "bad_command" | "bad_token" | "bad_sdp" | "not_joined" | "not_found" | "forbidden" | "conflict"
  | "exists" | "room_full" | "removed" | "rate_limited" | "too_large" | "unavailable" | "internal";

export interface Room {
  id: string;
  kind: RoomKind;
  names: Record<string, string>;
  city: string;
  zone: string;
  created_ms: number;
}
export interface Participant {
  identity: string;
  name: string;
  role: Role;
  city: string;
  joined_ms: number;
  hand_ms: number | null;
  floor: boolean;
  synthetic: boolean;
}
export interface Track {
  id: string;
  identity: string;
  source: Source;
  kind: Kind;
  codec: string;
  muted: boolean;
  forced: boolean;
}
export interface Message {
  id: string;
  number: number;
  identity: string;
  name: string;
  text: string;
  sent_ms: number;
}
export interface Live {
  room: Room;
  participants: Record<string, Participant>;
  tracks: Record<string, Track>;
  stage: string | null;
  messages: Message[];
}
export interface NodeAddress { id: string; url: string }
export interface Me { identity: string; session: string; name: string; role: Role; rights: string[] }
export interface Envelope { epoch: string; seq: number; name: string; data: Record<string, unknown> }
export interface Snapshot {
  me: Me;
  epoch: string;
  seq: number;
  now_ms: number;
  resumed: boolean;
  live: Live | null;
  missed: Envelope[];
  nodes: NodeAddress[];
}
