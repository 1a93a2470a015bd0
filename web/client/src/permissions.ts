// What this person may do here: the server's table and the rights it listed at the door. Only for
// showing and hiding; the server checks every act itself.

import { PERMISSIONS, type Me, type Participant, type Role, type RoomKind } from "./wire";

/** The twin of rooms/permissions.py::allows. */
export function allows(act: string, role: Role, kind: RoomKind, floor = false): boolean {
  const row = PERMISSIONS[act];
  if (!row) return false;
  const as = floor && role === "member" && act.startsWith("publish.") ? "speaker" : role;
  return (Array.isArray(row) ? (row as readonly Role[]) : (row as Record<RoomKind, readonly Role[]>)[kind]).includes(as);
}

export class Rights {
  #withheld: Set<string>;

  /** `me.rights` may be fewer than the role's: the invitation withheld the others. */
  constructor(
    me: Me,
    private readonly kind: RoomKind,
  ) {
    this.#withheld = new Set(Object.keys(PERMISSIONS).filter((act) => allows(act, me.role, kind) && !me.rights.includes(act)));
  }

  may(act: string, person: Pick<Participant, "role" | "floor">): boolean {
    return !this.#withheld.has(act) && allows(act, person.role, this.kind, person.floor);
  }
}
