// GET /enter#token=…&next=/rooms/…: keep the invitation in this tab, clear it from the address, go on.

import { localPath, storeToken } from "./token";

const fragment = new URLSearchParams(location.hash.slice(1));
const query = new URLSearchParams(location.search);
const token = fragment.get("token");
history.replaceState(null, "", location.pathname);
if (token) storeToken(token);
location.replace(localPath(fragment.get("next") ?? query.get("next")));
