// Chat: plain text with safe links, numbered by the server; lines typed without a connection wait
// visibly and are sent once.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { day, time, viewerZone } from "../clock";
import { t, tn } from "../i18n";
import { linkify } from "../linkify";
import { Icon } from "../ui/icons";
import { explainCode } from "../words";
import { LIMITS, type Message } from "../wire";
import type { Session } from "./session";

const MAX = LIMITS["chat.send"].text;
/** Messages of one person within this time share one head. */
const TOGETHER_MS = 120_000;

export function Chat({ session }: { session: Session }) {
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const messages = session.messages.value;
  const pending = session.outbox.lines.value;
  const me = session.connection.me.value?.identity;
  useLayoutEffect(() => {
    const box = scroller.current!;
    if (atEnd.current) box.scrollTop = box.scrollHeight;
  }, [messages, pending]);
  useEffect(() => {
    const box = scroller.current!;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  return (
    <div class="chat" data-test="chat">
      <div
        class="chat-scroll"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={t("Chat messages")}
        onScroll={({ currentTarget: box }) => { atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 48; }}
      >
        {messages.length > 0 && session.earlier.value && (
          <button type="button" class="button small earlier" onClick={() => void session.loadEarlier()} data-test="chat-earlier">{t("Earlier messages")}</button>
        )}
        {messages.length === 0 && pending.length === 0 && (
          <p class="empty-chat" data-test="chat-empty">{t("No messages yet. Say hello: everybody in the room can read it, also those who come later.")}</p>
        )}
        <div role="log" aria-live="polite" aria-relevant="additions">
          <ol>{messages.map((message, index) => <Line key={message.number} message={message} before={messages[index - 1]} mine={message.identity === me} />)}</ol>
        </div>
        {pending.length > 0 && (
          <ol class="pending" aria-label={t("Not sent yet")}>
            {pending.map((line) => (
              <li key={line.id} class={`chat-line mine ${line.state}`} data-test="chat-pending">
                <p class="chat-text"><Text text={line.text} /></p>
                {line.state === "waiting"
                  ? <p class="chat-note">{session.connection.link.value === "connected" ? t("Sending…") : t("Waiting for the connection; it will be sent once")}</p>
                  : (
                    <p class="chat-note warning" role="alert">
                      {t("Not sent: {cause}", { cause: explainCode(line.error?.code ?? "internal").cause })}{" "}
                      <button type="button" class="link" onClick={() => session.outbox.retry(line.id)}>{t("Try again")}</button>{" · "}
                      <button type="button" class="link" onClick={() => session.outbox.discard(line.id)}>{t("Discard")}</button>
                    </p>
                  )}
              </li>
            ))}
          </ol>
        )}
      </div>
      <Composer session={session} onSend={() => { atEnd.current = true; }} />
    </div>
  );
}

function Line({ message, before, mine }: { message: Message; before: Message | undefined; mine: boolean }) {
  const zone = viewerZone.value;
  const date = day(message.sent_ms, zone);
  const newDay = !before || day(before.sent_ms, zone) !== date;
  const joined = !newDay && before !== undefined && before.identity === message.identity && message.sent_ms - before.sent_ms < TOGETHER_MS;
  return (
    <li class={`chat-line${mine ? " mine" : ""}${joined ? " joined" : ""}`} data-test="chat-message" data-number={message.number}>
      {newDay && <p class="chat-day">{date}</p>}
      {!joined && (
        <p class="chat-head">
          <span class="chat-name">{message.name}</span>
          <time class="tnum" dateTime={new Date(message.sent_ms).toISOString()}>{time(message.sent_ms, zone)}</time>
        </p>
      )}
      <p class="chat-text"><Text text={message.text} /></p>
    </li>
  );
}

function Text({ text }: { text: string }) {
  return (
    <>
      {linkify(text).map((piece, index) => piece.href
        ? <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow ugc">{piece.text}</a>
        : piece.text)}
    </>
  );
}

function Composer({ session, onSend }: { session: Session; onSend: () => void }) {
  const key = `yunhai.draft.${session.room}`;
  const [text, setText] = useState(sessionStorage.getItem(key) ?? "");
  const field = useRef<HTMLTextAreaElement>(null);
  const composing = useRef(false);
  const length = [...text].length;
  const over = length - MAX;
  const change = (next: string) => {
    setText(next);
    sessionStorage.setItem(key, next);
  };
  useLayoutEffect(() => {
    const area = field.current!;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, 132)}px`;
  }, [text]);
  const send = () => {
    if (!text.trim() || over > 0) return;
    onSend();
    session.outbox.add(text.trim());
    change("");
  };
  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); send(); }}>
      <label class="sr-only" for="chat-text">{t("Write a message")}</label>
      <textarea
        id="chat-text"
        ref={field}
        rows={1}
        value={text}
        placeholder={t("Write a message")}
        enterkeyhint="send"
        aria-invalid={over > 0}
        data-test="chat-input"
        onInput={(event) => change(event.currentTarget.value)}
        onCompositionStart={() => { composing.current = true; }}
        onCompositionEnd={() => {
          // Safari ends the composition before the Enter that chose the word arrives.
          setTimeout(() => { composing.current = false; }, 0);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing || composing.current || event.keyCode === 229) return;
          event.preventDefault();
          send();
        }}
      />
      <button type="submit" class="icon-button send" disabled={!text.trim() || over > 0} aria-label={t("Send")} data-test="chat-send"><Icon name="send" /></button>
      {over > 0 && <p class="field-error" role="alert">{tn("{count} character too many", "{count} characters too many", over)}</p>}
    </form>
  );
}
