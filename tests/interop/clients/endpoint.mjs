// What the clients here share: a WHIP or WHEP session over HTTP, and telling the test what happens.

/** Post the offer; returns the answer and how to end the session. */
export async function exchange(url, token, offer) {
  const authorization = `Bearer ${token}`;
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Authorization: authorization },
    body: offer,
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`${response.status}: ${text}`);
  const session = new URL(response.headers.get("Location"), url);
  return { answer: text, end: () => fetch(session, { method: "DELETE", headers: { Authorization: authorization } }) };
}

/** Print one JSON line of `read()` now and then until the test closes our input; then run `end`. */
export async function report(read, end) {
  const timer = setInterval(async () => console.log(JSON.stringify(await read())), 200);
  for await (const _ of process.stdin);
  clearInterval(timer);
  await end();
  process.exit(0);
}
