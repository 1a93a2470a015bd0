// The page's signs: 24-unit line drawings in the text's colour. Each stands beside a word, seen or spoken.

import type { ComponentChildren } from "preact";

const PATHS: Record<string, ComponentChildren> = {
  microphone: <><rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.5 11.500a6.5 6.5 0 0 0 13 0M12 18v3" /></>,
  microphoneOff: <><path d="M9 9v2a3 3 0 0 0 4.6 2.500M15 10.500V6a3 3 0 0 0-5.7-1.300M5.5 11.500a6.5 6.5 0 0 0 10.3 5.300M18.5 11.500a6.4 6.4 0 0 1-.6 2.700M12 18v3M4 3l16 18" /></>,
  camera: <><rect x="3" y="6.5" width="12" height="11" rx="2.5" /><path d="m15 11 6-3.500v9L15 13" /></>,
  cameraOff: <><path d="M11 6.500h1.500A2.5 2.5 0 0 1 15 9v2l6-3.500v9l-3.5-2M14.8 16a2.5 2.5 0 0 1-2.3 1.500h-7A2.5 2.5 0 0 1 3 15V9a2.5 2.5 0 0 1 2.5-2.500H6M4 3l16 18" /></>,
  screen: <><rect x="3" y="4.5" width="18" height="12" rx="2" /><path d="M12 13.500v-6M9 10l3-3 3 3M8.5 20h7" /></>,
  hand: <path d="M8 12V5.800a1.4 1.4 0 0 1 2.8 0V11V4.400a1.4 1.4 0 0 1 2.8 0V11V5.800a1.4 1.4 0 0 1 2.8 0V12V8.600a1.3 1.3 0 0 1 2.6 0V14a7 7 0 0 1-7 7c-3 0-4.6-1.3-6-3.700l-2.2-3.900a1.4 1.4 0 0 1 2.3-1.600L8 14z" />,
  grid: <><rect x="4" y="4" width="7" height="7" rx="1.5" /><rect x="13" y="4" width="7" height="7" rx="1.5" /><rect x="4" y="13" width="7" height="7" rx="1.5" /><rect x="13" y="13" width="7" height="7" rx="1.5" /></>,
  stage: <><rect x="3" y="4" width="18" height="11" rx="2" /><path d="M4 19.500h4M10 19.500h4M16 19.500h4" /></>,
  language: <><circle cx="12" cy="12" r="9" /><path d="M3 12h18M12 3c2.5 2.5 3.7 5.5 3.7 9s-1.2 6.5-3.7 9c-2.5-2.5-3.7-5.5-3.7-9S9.5 5.5 12 3z" /></>,
  leave: <path d="M13 4H6.500A1.5 1.5 0 0 0 5 5.500v13A1.5 1.5 0 0 0 6.5 20H13M10 12h10M16.5 8l4 4-4 4" />,
  chat: <path d="M4 6.500A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.500v7a2.5 2.5 0 0 1-2.5 2.500H11l-5 4v-4.100a2.5 2.5 0 0 1-2-2.400z" />,
  people: <><circle cx="9" cy="8.5" r="3.5" /><path d="M2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M15.5 5.200a3.5 3.5 0 0 1 0 6.600M17.5 14.300c2.3.7 3.7 2.6 4 5.7" /></>,
  more: <><circle cx="5.5" cy="12" r="1.4" /><circle cx="12" cy="12" r="1.4" /><circle cx="18.5" cy="12" r="1.4" /></>,
  devices: <path d="M4 7h9M17 7h3M4 17h3M11 17h9M15 4.800v4.400M9 14.800v4.4" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  sound: <><path d="M4 9.500v5h3.500L12 18.500v-13L7.5 9.500z" /><path d="M15.5 9a4.2 4.2 0 0 1 0 6M18 6.500a7.8 7.8 0 0 1 0 11" /></>,
  soundOff: <><path d="M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM16 9.500l5 5M21 9.500l-5 5" /></>,
  send: <path d="m4 12 16-7-5.5 15-3-6.500zM11.5 13.5 20 5" />,
  help: <><circle cx="12" cy="12" r="9" /><path d="M9.5 9.500a2.5 2.5 0 1 1 3.7 2.200c-.8.4-1.2 1-1.2 1.800v.5M12 16.800v.2" /></>,
  pin: <path d="M9 4h6l-.7 6 3.2 3.500h-11L9.7 10zM12 13.500V20" />,
  pulse: <path d="M3 12h4l2.5-6 4 12 2.5-6h5" />,
  back: <path d="M14.5 5 8 12l6.5 7" />,
  forward: <path d="m9.5 5 6.5 7-6.5 7" />,
  clock: <><circle cx="12" cy="12" r="8.5" /><path d="M12 7v5l3.2 2" /></>,
  record: <><circle cx="12" cy="12" r="8.5" /><circle cx="12" cy="12" r="3.5" fill="currentColor" /></>,
  warning: <path d="M12 4.500 3.500 19.500h17zM12 10.500v4M12 17v.2" />,
  check: <path d="m5 12.5 4.5 4.500L19 7.5" />,
};

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {PATHS[name]}
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" fill="none" aria-hidden="true">
      <path d="M3 22c3.2 0 3.2-2.6 6.5-2.600S12.7 22 16 22s3.2-2.6 6.5-2.600S25.8 22 29 22" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" />
      <path d="M6.5 27c2.4 0 2.4-2 4.8-2s2.3 2 4.7 2 2.4-2 4.8-2 2.3 2 4.7 2" stroke="var(--sea)" stroke-width="2" stroke-linecap="round" />
      <circle cx="16" cy="10.5" r="5" stroke="currentColor" stroke-width="2" />
    </svg>
  );
}
