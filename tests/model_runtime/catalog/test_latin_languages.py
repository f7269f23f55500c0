"""Languages of the Latin script, told apart by their words. Neither these texts nor their authors were learnt from."""

import pytest

from model_runtime.catalog.latin_languages import GROUPS_FILE, guess_latin_language

SENTENCES = {
    "es": """Hola, ¿qué tiempo hace hoy en Madrid?|Mi hermana vive en una casa pequeña cerca del mar.|Necesito que me ayudes
        con este problema.|El tren sale mañana a las ocho de la noche.|No encuentro mis llaves por ninguna parte.|Los niños
        juegan en el parque todas las tardes.|La reunion se ha movido al jueves por la manana.|Abre la ventana, por
        favor, que hace calor.|He terminado de corregir el error del servidor.|Queremos comprar pan, leche y huevos.""",
    "fr": """Il fait beau aujourd'hui, n'est-ce pas ?|Ma sœur habite dans une petite maison près de la mer.|J'ai besoin que tu
        m'aides avec ce problème.|Le train part demain à huit heures du soir.|Je ne trouve mes clés nulle part.|Les enfants
        jouent au parc tous les après-midi.|La reunion est deplacee a jeudi matin.|Ouvre la fenêtre, s'il te plaît, il
        fait chaud.|J'ai fini de corriger l'erreur du serveur.|Nous voulons acheter du pain, du lait et des œufs.""",
    "it": """Oggi è una bella giornata, vero?|Mia sorella abita in una piccola casa vicino al mare.|Ho bisogno che tu mi
        aiuti con questo problema.|Il treno parte domani alle otto di sera.|Non trovo le mie chiavi da nessuna parte.|I
        bambini giocano nel parco tutti i pomeriggi.|La riunione e stata spostata a giovedi mattina.|Apri la finestra, per
        favore, fa caldo.|Ho finito di correggere l'errore del server.|Vogliamo comprare pane, latte e uova.""",
    "pt": """Olá, como está o tempo hoje em Lisboa?|A minha irmã mora numa casa pequena perto do mar.|Preciso que você me
        ajude com este problema.|O trem sai amanhã às oito da noite.|Não encontro as minhas chaves em lugar nenhum.|As
        crianças brincam no parque todas as tardes.|A reuniao foi mudada para quinta-feira de manha.|Abra a janela, por
        favor, está muito quente.|Terminei de corrigir o erro do servidor.|Queremos comprar pão, leite e ovos.""",
    "de": """Heute ist das Wetter sehr schön, nicht wahr?|Meine Schwester wohnt in einem kleinen Haus am Meer.|Ich brauche
        deine Hilfe bei diesem Problem.|Der Zug fährt morgen um acht Uhr abends ab.|Ich finde meine Schlüssel
        nirgends.|Die Kinder spielen jeden Nachmittag im Park.|Die Besprechung wurde auf Donnerstag verschoben.|Mach bitte
        das Fenster auf, es ist warm.|Ich habe den Fehler im Server behoben.|Wir wollen Brot, Milch und Eier kaufen.""",
    "nl": """Het is vandaag erg mooi weer, toch?|Mijn zus woont in een klein huis dicht bij de zee.|Ik heb jouw hulp nodig bij
        dit probleem.|De trein vertrekt morgen om acht uur in de avond.|Ik kan mijn sleutels nergens vinden.|De kinderen
        spelen elke middag in het park.|De vergadering is verplaatst naar donderdagochtend.|Doe alsjeblieft het raam open,
        het is warm.|Ik heb de fout in de server opgelost.|We willen brood, melk en eieren kopen.""",
    "pl": "Dzisiaj jest bardzo ładna pogoda, prawda?|Moja siostra mieszka w małym domu nad morzem.",
    "sv": "Det är väldigt fint väder i dag, eller hur?|Min syster bor i ett litet hus nära havet.",
}
"""The Romance and Germanic languages say the same ten things; one of each ten lost its accents, where it had any."""

ENGLISH_OR_NAMES = """Die hard|Die Hard 2 is on tonight|Los Angeles|Las Vegas|La La Land|San Francisco, California|El Paso,
    Texas|Santa Monica Boulevard|Des Moines, Iowa|Kubernetes|kubectl get pods|npm install|git commit -m fix|nginx|PostgreSQL|
    pytest -q|async def main|import numpy as np|localhost:8080|README.md|package.json|sudo apt-get install|Visual Studio Code|
    MacBook Pro M4 Max|OpenAI|Anthropic Claude|Hugging Face|Kokoro|Qwen3-TTS|LM Studio|Volkswagen|Mercedes-Benz|IKEA|
    Lamborghini|Ferrari|Coca-Cola|Nespresso|HDMI|Hello|Hello world|Yes|No|OK|Done|Build failed|Tests passed|Good night|Dr. Müller|
    Beyoncé|Pokémon|café latte|résumé|déjà vu|crème brûlée|El Niño|São Paulo|Zürich|kindergarten|zeitgeist|pizza margherita|
    Buenos Aires|Rio de Janeiro|Mona Lisa|Leonardo da Vinci|Vincent van Gogh|Ludwig van Beethoven|Simone de Beauvoir|
    carte blanche|et cetera|Foo bar baz|main menu|no idea|a man, a plan, a canal|I do not have it in me|Red alert|
    Call Marco|Meet Pierre at noon|Maria and Jose are here|Never trust an operating system.|Happiness is a hard disk.|
    I have not yet begun to byte!|Real time data|Port 443 open|Model loaded|Temperature 0.7|vlm-fast|senses pull tts-fast|
    job_stalled|getElementById|HTTP 404|const x = await fetch(url)|SELECT name FROM users|/usr/local/bin|
    The food at El Bulli was great|We drove from Des Moines to San Jose|Send the resume to Jean-Pierre in Paris|
    pip install torch numpy scipy pandas|if (a == null) return false;|docker compose up -d --build"""


def split(texts: str) -> list[str]:
    """Return the texts between bars, each on one line."""
    return [" ".join(text.split()) for text in texts.split("|")]


@pytest.mark.promise("speech:language-by-words")
@pytest.mark.parametrize(("language", "texts"), SENTENCES.items())
def test_a_sentence_tells_its_language(language: str, texts: str) -> None:
    guessed = {text: guess_latin_language(text) for text in split(texts)}

    assert {text: guess for text, guess in guessed.items() if guess != language} == {}


@pytest.mark.promise("speech:language-by-words")
@pytest.mark.parametrize("text", split(ENGLISH_OR_NAMES))
def test_short_english_names_and_code_are_never_taken_for_another_language(text: str) -> None:
    assert guess_latin_language(text) in ("", "en")


def test_english_sentences_are_english() -> None:
    assert guess_latin_language("The meeting was moved to Thursday morning, so please bring your notes.") == "en"


def test_a_long_text_is_judged_by_its_beginning() -> None:
    assert guess_latin_language("Das Wetter ist heute sehr schön. " * 100_000) == "de"


def test_the_table_stays_small() -> None:
    assert GROUPS_FILE.stat().st_size <= 60_000
