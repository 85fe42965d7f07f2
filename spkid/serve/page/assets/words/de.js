// Every text of the page in German; the same keys as `en.js`.

const one = (n, single, several) => `${n} ${n === 1 ? single : several}`;
const clips = (n) => one(n, "Aufnahme", "Aufnahmen");
const seconds = (s) => `${Math.ceil(s)} s`;
const decimal = (s, digits) => s.toFixed(digits).replace(".", ",");

export default {
  language: "de",
  home: "home",
  nav: {
    label: "Seiten",
    skip: "Zum Inhalt springen",
    who: "Wer ist es?",
    household: "Haushalt",
    audit: "Fairness",
    choose: "Haushalt",
  },
  footer: (version) =>
    `spkid${version}. Stimmen bleiben auf dem Rechner, auf dem diese Seite läuft. Eine Stimme ist kein Passwort: gut für die Musikauswahl, nicht für die Haustür.`,
  cancel: "Abbrechen",
  again: "Noch einmal",
  clips,

  start: {
    title: "Wer spricht da zu Hause?",
    lead: "Diese Seite lernt die Stimmen der Menschen kennen, mit denen Sie wohnen. Dann sagt sie, wer spricht, oder dass es jemand Fremdes ist.",
    steps: [
      "Jede Person hinzufügen. Sie liest drei oder vier Sätze vor: eine halbe Minute.",
      "Fragen, wer spricht. Ein paar Worte sagen oder eine Aufnahme geben.",
    ],
    first: "Die erste Person hinzufügen",
    private:
      "Alle werden vorher gefragt. Nichts verlässt den Rechner, auf dem diese Seite läuft, und ein Knopf löscht eine Stimme endgültig.",
  },

  token: {
    title: "Diese Seite möchte ein Token",
    lead: "Hier liegen Stimmen, darum öffnet sie sich nur mit einem Token: einem langen Wort von der Person, die sie betreibt.",
    label: "Token",
    note: "Wer die Seite betreibt, macht eines mit „spkid token add“. Es wird behalten, bis Sie diesen Tab schließen.",
    open: "Öffnen",
    missing: "Bitte zuerst das Token eingeben.",
    wrong: "Dieses Token ist hier nicht bekannt oder wurde zurückgenommen.",
  },

  sound: {
    record: "Aufnehmen",
    stop: "Stopp",
    starting: "Das Mikrofon wird geöffnet … Wenn der Browser fragt: Zulassen.",
    listening: "Ich höre zu. Am Ende auf Stopp drücken.",
    headphones:
      "Wenn Ihnen ein Vorleseprogramm hilft, nehmen Sie Kopfhörer: sonst wird es mit aufgenommen.",
    silent: "Ich höre nichts. Ist das Mikrofon stumm oder ein anderes gewählt?",
    loud: "Zu laut: etwas mehr Abstand zum Mikrofon.",
    working: "Wird ausgewertet …",
    or: "oder",
    file: "Datei wählen",
    drop: "oder hier ablegen",
    insecure:
      "Browser geben das Mikrofon nur Seiten auf demselben Rechner (localhost) oder mit https. Öffnen Sie diese Seite unter http://localhost auf dem Rechner, auf dem sie läuft, oder lassen Sie https einrichten. Eine Datei geht auch hier; am Telefon kann „Datei wählen“ eine aufnehmen.",
    no_permission:
      "Der Browser lässt diese Seite nicht ans Mikrofon. Erlauben Sie es: das Zeichen neben der Adresse, dann „Mikrofon“. Danach noch einmal auf Aufnehmen drücken.",
    no_microphone:
      "Es wurde kein Mikrofon gefunden. Schließen Sie eines an und drücken Sie noch einmal auf Aufnehmen, oder geben Sie eine Datei.",
    microphone_busy:
      "Das Mikrofon lässt sich nicht öffnen: vielleicht benutzt es ein anderes Programm. Schließen Sie das und drücken Sie noch einmal auf Aufnehmen.",
    old_browser:
      "Dieser Browser kann auf einer Seite nicht aufnehmen. Nehmen Sie einen neueren, oder geben Sie eine Datei.",
  },

  enroll: {
    title: "Eine Person hinzufügen",
    more: (name) => `Mehr von ${name}`,
    name: "Name",
    nameNote: "So, wie er angezeigt werden soll: ein Vorname genügt.",
    child:
      "Das ist ein Kind. Kinderstimmen ändern sich schnell: die Seite bittet nach einem halben Jahr um neue Aufnahmen.",
    parent: "Welcher Elternteil stimmt zu?",
    parentNote: "Der Name wird mit der Zustimmung gespeichert.",
    noParent: "Bitte den Namen des Elternteils eintragen, der zustimmt.",
    agreeTitle: "Vor der ersten Aufnahme",
    agree: [
      "Was behalten wird: Zahlen, die die Stimme beschreiben, der Name, und dass Sie zugestimmt haben.",
      "Wofür: um zu sagen, wer in diesem Haushalt spricht. Für nichts anderes.",
      "Wo: auf dem Rechner, auf dem diese Seite läuft. Niemand sonst bekommt es.",
      "Sie können es sich anders überlegen: „Vergessen“ löscht alles sofort.",
    ],
    noAudio: "Die Aufnahmen selbst werden nicht behalten.",
    withAudio:
      "Auch die Aufnahmen werden behalten, verschlüsselt, damit Sie nicht neu vorlesen müssen, wenn das Programm besser wird.",
    exact: "Der genaue Wortlaut, der mit der Zustimmung gespeichert wird (Englisch)",
    consent:
      "Die Person, deren Stimme es ist, weiß das und stimmt zu. Für ein Kind stimmt ein Elternteil zu.",
    go: "Weiter zum Mikrofon",
    noName: "Bitte zuerst den Namen eingeben.",
    noConsent: "Es wird nichts aufgenommen, bevor dem zugestimmt ist.",
    voiceOf: (name) => `Die Stimme von ${name}`,
    ring: (name) => `Wie gut die Seite ${name} kennt`,
    read: "Auf Aufnehmen drücken und vorlesen",
    free: "Andere Worte, in jeder Sprache, gehen genauso. Nur diese Person soll sprechen, in einem ruhigen Raum, wie am Esstisch.",
    another: "Anderer Satz",
    needed: (s, n) =>
      "noch " + [s > 0 && `${seconds(s)} Sprache`, n > 0 && clips(n)].filter(Boolean).join(" und "),
    complete: (name) => `Das ist alles: ${name} ist jetzt bekannt.`,
    usable: (name) => `${name} wird schon erkannt; mehr macht es sicherer.`,
    fresh: "Aufnahmen von einem anderen Tag oder Mikrofon machen es noch sicherer.",
    next: "Noch eine Person hinzufügen",
    ask: "Fragen, wer spricht",
    clipsTitle: "Aufnahmen",
    none: "Noch keine.",
    accepted: (s) => `Genommen: ${decimal(s, 1)} s Sprache.`,
    refused: "Nicht genommen.",
    sounds: (name, other) =>
      `Das klingt wie ${other}. Ist ${name} jemand anderes, etwa ein Zwilling?`,
    somebody: "jemand anderes hier",
    isOther: (name, other) => `Ja, ${name} ist nicht ${other}`,
    isSame: "Nein, weglassen",
    force: (name) => `Es ist ${name}. Trotzdem nehmen`,
  },

  reasons: {
    ok: "Genommen.",
    no_speech: "Es war niemand zu hören. Sprechen Sie lauter, oder prüfen Sie das Mikrofon.",
    too_short: "Zu kurz. Sprechen Sie etwas länger, dann Stopp.",
    too_noisy: "Zu viel Lärm. Schalten Sie aus, was brummt, oder kommen Sie näher.",
    clipped: "Zu laut und darum verzerrt. Gehen Sie etwas vom Mikrofon weg.",
    several_voices: "Da spricht noch jemand. Bitte immer nur eine Person.",
    unlike_others: "Es klingt nicht wie die anderen Aufnahmen. Ist es dieselbe Person?",
    same_clip: "Diese Aufnahme ist schon da. Machen Sie eine neue.",
    poor_audio: "Zu viel Lärm oder zu laut. Noch einmal, näher und ruhiger.",
  },

  sentences: [
    "Am Sonntag frühstücken wir spät, mit frischen Brötchen, Kirschmarmelade und einer großen Kanne Tee, und niemand schaut auf die Uhr.",
    "Die alte Fähre verlässt den Hafen um Viertel nach fünf, fährt durch dichten Nebel und kommt erst zurück, wenn die Sterne leuchten.",
    "Meine Nachbarin zieht gelbe Rosen, Bohnen und riesige Kürbisse, und jeden Herbst legt sie uns einen davon vor die Haustür.",
    "Kannst du bitte die blaue Jacke aus dem Flur holen, die mit dem kaputten Reißverschluss, und meine Schlüssel einstecken?",
    "Als es drei Tage lang regnete, bauten die Kinder ein Schiff aus Kartons und segelten quer durch die Küche zu einer Insel.",
    "Gestern blies der Wind so stark, dass ein Stuhl über den Zaun flog, und der Hund bellte ihn an, bis ihn jemand zurückholte.",
    "Zuerst hackst du die Zwiebeln, brätst sie sanft in Butter, gibst einen Löffel Mehl dazu und rührst, bis es nach Keksen riecht.",
    "Großvater hatte ein Fernrohr aus Messing auf dem Dachboden und zeigte uns durch das kleine Fenster die Ringe des Saturn.",
  ],

  who: {
    title: "Wer spricht?",
    lead: "Auf Aufnehmen drücken und jemanden zwei bis drei Sekunden sprechen lassen.",
    known: (name) => `Es ist ${name}`,
    unknown: "Es ist jemand Fremdes",
    ambiguous: (first, second) => `${first} oder ${second}: zu ähnlich`,
    nobody: "Das lässt sich nicht sagen",
    sure: (share) => `zu ${share} sicher`,
    shares: "Wie wahrscheinlich es wer ist",
    person: "Person",
    likely: "Wahrscheinlich",
    stranger: "jemand Fremdes",
    heard: "Worauf die Antwort beruht",
    heardLead:
      "Das Bild ist der Klang: die Zeit läuft nach rechts, hohe Töne sind oben, laut ist kräftig. Die Linie darüber zeigt, welche Augenblicke für die Antwort zählten.",
    heardAlt: (s, from, to) =>
      `Bild von ${s} s Klang. Am meisten zählten die Augenblicke zwischen ${from} und ${to} s.`,
    figures: "Zahlen",
    figure: {
      speech: "gehörte Sprache",
      margin: "Vorsprung",
      cosine: "Kosinus",
      llr: "Log-Likelihood-Quotient",
      time: "ausgewertet in",
    },
    others: (spans) =>
      `Bei ${spans} spricht noch jemand. Die Antwort gilt der Stimme, die am längsten allein spricht.`,
    kept: "Unbekannte Stimmen werden hier aufgehoben. Wenn Sie wissen, wer es war: unter Haushalt einen Namen geben.",
    more: "Nicht sicher genug? Fügen Sie weitere Aufnahmen Ihrer Leute hinzu.",
    another:
      "Hier ist erst eine Person bekannt. Fügen Sie die anderen hinzu: dann werden die Antworten besser.",
  },

  household: {
    title: (name) => `Haushalt „${name}“`,
    add: "Person hinzufügen",
    members: "Personen",
    newest: (when) => `neueste: ${when}`,
    old: "Alt: Stimmen ändern sich. Bitte einige neue Aufnahmen.",
    incomplete: "Noch nicht vollständig. Bitte noch etwas mehr.",
    child: "Kind",
    strict: "Wie streng?",
    strictLead:
      "Von 100 Aufnahmen Fremder, wie viele dürfen für jemanden von Ihnen gehalten werden? Weniger heißt, dass Sie selbst öfter nicht erkannt werden.",
    strictLabel: "Fremde, von 100",
    strictNote:
      "Die Seite misst das an Ihren eigenen Aufnahmen. Es gilt, bis sich Personen oder Aufnahmen ändern.",
    strictSet: "Für diesen Haushalt setzen",
    strictNow: (share) => `Für diesen Haushalt: ${share} der Fremden.`,
    strictDefault: (share) => `Wie geliefert: ${share} der Fremden.`,
    strictResult: (wrong, missed) =>
      `An Ihren eigenen Aufnahmen: ${wrong[0]} von ${wrong[1]} gingen als jemand anderes durch, ${missed[0]} von ${missed[1]} wurden nicht erkannt.`,
    strictBack: "Wie geliefert",
    inbox: "Unbekannte Stimmen",
    inboxOff:
      "Aus. Eingeschaltet wird die Stimme jedes Fremden eine Weile aufgehoben, als Zahlen und ohne die Aufnahme, damit Sie später sagen können, wer es war.",
    inboxBy: "Wer stimmt für den Haushalt zu?",
    inboxDays: "Tage, die eine Stimme bleibt",
    inboxConsent: "Wir stimmen dem zu und sagen es unseren Gästen.",
    inboxOn: "Einschalten",
    inboxTerms: (by, when, days) =>
      `An seit ${when}; ${by} hat zugestimmt. Jede Stimme bleibt ${days} Tage.`,
    inboxEmpty: "Zurzeit keine unbekannte Stimme.",
    inboxSpeaker: (n, s) => `${clips(n)}, ${decimal(s, 0)} s Sprache`,
    inboxHeard: (when, until) => `Zuletzt gehört ${when}. Bleibt bis ${until}.`,
    inboxName: "Dieser Stimme einen Namen geben",
    inboxNameTitle: "Wer war das?",
    inboxParent: "Bei einem Kind: Welcher Elternteil stimmt zu?",
    inboxNamed: (name) => `${name} ist jetzt bekannt.`,
    inboxDrop: "Diese Stimme löschen",
    inboxStop: "Ausschalten und alle löschen",
    inboxStopAsk: "Ausschalten und jede unbekannte Stimme löschen?",
    manage: "Der ganze Haushalt",
    rename: "Haushalt umbenennen",
    backup: "Sicherung speichern",
    forget: "Alle vergessen",
    forgetAsk: (name) => `Alle aus „${name}“ vergessen?`,
    forgetBody:
      "Alle Stimmen, Zustimmungen und Aufnahmen dieses Haushalts werden sofort gelöscht und lassen sich nicht zurückholen.",
    forgotten: (n) => `Alle sind vergessen: ${clips(n)} gelöscht.`,
  },

  member: {
    agreed: (by, when) => `${by} hat am ${when} zugestimmt.`,
    add: "Aufnahmen hinzufügen",
    rename: "Umbenennen",
    renameTitle: (name) => `Wie heißt ${name}?`,
    newName: "Neuer Name",
    renamed: (name) => `Der Name ist jetzt ${name}.`,
    merge: "Dieselbe Person wie …",
    mergeTitle: (name) => `${name} ist dieselbe Person wie …`,
    mergeBody:
      "Die Aufnahmen beider werden die einer Person. Das lässt sich nicht rückgängig machen.",
    mergeWith: "Person",
    mergeYes: "Zu einer Person machen",
    merged: (name) => `Sie sind jetzt eine Person: ${name}.`,
    archive: "Alles herunterladen, was behalten ist",
    forget: (name) => `${name} vergessen`,
    forgetAsk: (name) => `${name} endgültig vergessen?`,
    forgetBody:
      "Die Stimme, die Zustimmung und alle Aufnahmen werden sofort gelöscht und lassen sich nicht zurückholen.",
    forgotten: (name, n) => `${name} ist vergessen: ${clips(n)} gelöscht.`,
    clip: (n) => `Aufnahme ${n}`,
    clipLine: (s, when) => `${decimal(s, 1)} s Sprache, ${when}`,
    confirmed: "später gesagt",
    deleteClip: (n) => `Aufnahme ${n} löschen`,
    deleteShort: "Löschen",
    deleteAsk: (n) => `Aufnahme ${n} löschen?`,
    deleteLast: (name) => `Es ist die letzte: ${name} wird mit ihr vergessen.`,
    deleted: "Die Aufnahme ist gelöscht.",
    back: "Zurück zum Haushalt",
  },

  audit: {
    title: "Klappt es bei allen gleich gut?",
    lead: "Ein Audit zählt die Fehler für jede Gruppe von Menschen und sagt, welche Unterschiede sicher sind.",
    none: "Es gibt noch kein Audit. Wer die Seite betreibt, macht eines mit „spkid audit“ und zeigt es mit „spkid serve --audit ORDNER“.",
    verdict: "Was es ergab (Englisch)",
    open: "Den ganzen Bericht lesen",
    save: "Den ganzen Bericht speichern",
  },

  problems: {
    unreachable:
      "Der Dienst antwortet nicht. Läuft „spkid serve“ noch, und ist dieses Gerät noch im Netz?",
    unforeseen: "Etwas Unvorhergesehenes ging schief. Bitte noch einmal versuchen.",
    bad_token: "Das Token fehlt oder ist hier nicht bekannt.",
    wrong_scope: "Mit diesem Token geht das nicht.",
    unknown_household: "Diesen Haushalt gibt es nicht, oder das Token ist für einen anderen.",
    unknown_member: "Niemand heißt so. Vielleicht wurde der Name inzwischen geändert.",
    unknown_clip: "Diese Aufnahme ist schon fort.",
    unknown_voice: "Diese Stimme ist schon fort.",
    unreadable: "Das ist keine Aufnahme, oder sie ist beschädigt.",
    no_formats: "Diese Art Datei lässt sich hier nicht lesen. Nehmen Sie WAV, MP3, FLAC oder Ogg.",
    too_long: "Diese Aufnahme ist zu lang: höchstens eine Minute.",
    too_large: "Diese Datei ist zu groß.",
    too_slow: "Diese Datei zu lesen dauert zu lange. Nehmen Sie eine kürzere.",
    too_many_requests: "Zu viele Anfragen. Warten Sie etwas, dann noch einmal.",
    overloaded: "Der Dienst ist beschäftigt. Warten Sie etwas, dann noch einmal.",
    busy: "Der Dienst ist beschäftigt. Warten Sie etwas, dann noch einmal.",
    no_consent: "Die Zustimmung fehlt.",
    bad_name: "Dieser Name geht nicht. Nehmen Sie Buchstaben und Leerzeichen, höchstens 80.",
    reserved_name: "Dieses Wort meint niemand Bestimmtes. Nehmen Sie einen anderen Namen.",
    name_taken: "So heißt hier schon jemand.",
    profile_full: "Es sind zehn Aufnahmen, mehr werden nicht behalten. Löschen Sie zuerst eine.",
    too_few_members: "Dafür braucht es mindestens zwei Personen.",
    overlap: "Die Aufnahmen zweier Personen klingen dafür zu ähnlich.",
    other_model:
      "Diese Stimmen hat ein anderes Modell beschrieben. Neu aufnehmen, oder siehe „spkid reembed“.",
    disk_full: "Die Platte ist voll: nichts wurde gespeichert.",
    read_only: "Der Speicher lässt sich nur lesen: nichts wurde gespeichert.",
    on_server: "Die Stimmen liegen in einer Datenbank auf einem Server: sichern Sie sie dort.",
    changed_meanwhile: "Jemand hat das inzwischen geändert. Sehen Sie noch einmal nach.",
  },
};
