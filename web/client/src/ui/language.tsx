// Choosing the language, in each language's own name.

import { lang, LANGS, setLanguage, t } from "../i18n";

export function LanguageChoice({ onChosen }: { onChosen?: () => void }) {
  return (
    <div class="segmented" role="group" aria-label={t("Language")}>
      {LANGS.map(({ id, tag, name }) => (
        <button
          key={id}
          type="button"
          lang={tag}
          aria-pressed={lang.value === id}
          data-test={`language-${id}`}
          onClick={() => void setLanguage(id).then(onChosen)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
