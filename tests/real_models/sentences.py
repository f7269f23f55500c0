"""What is spoken: forty sentences as people and coding agents write them, with the words that are to be heard."""

from dataclasses import dataclass

QUICK_VOICES = ("af_heart", "bm_george")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it is written and, where that differs, as it is heard."""

    text: str
    heard: str = ""

    @property
    def spoken(self) -> str:
        """The words to be heard."""
        return self.heard or self.text


SENTENCES = (
    Sentence("The build failed because two tests timed out, so I will run them again."),
    Sentence("Please enter your password, and then press the pound key."),
    Sentence("The weather in London will be cloudy with a chance of rain on Thursday."),
    Sentence("She opened the old letter slowly and began to read it aloud."),
    Sentence("We have 25 files to review before the meeting."),
    Sentence("The train to Paris leaves in ten minutes from the other side."),
    Sentence("I cannot find the key that you left on the kitchen table."),
    Sentence("The new version is faster, smaller and easier to install."),
    Sentence("Could you tell me where the nearest station is?"),
    Sentence("My sister bought three books and a map of the city."),
    Sentence("The first picture shows a red house beside a green tree."),
    Sentence("They walked along the river until the sun went down."),
    Sentence("All of the changes are saved, and nothing was lost."),
    Sentence("The doctor said that the medicine should help within a week."),
    Sentence("There is a small mistake in the second line of the text."),
    Sentence("He asked for a glass of water and a piece of bread."),
    Sentence("The server answers again after a short pause."),
    Sentence("Nobody expected the game to end so early."),
    Sentence("Close the window, please, because it is getting cold."),
    Sentence("The children sang a song about the moon and the stars."),
    Sentence("I would like two cups of coffee and one cup of tea."),
    Sentence("The error message says that the file does not exist."),
    Sentence("You can find the answer at the bottom of the page."),
    Sentence("We will meet again next Monday at the same place."),
    Sentence("The garden behind the school is full of flowers."),
    Sentence("It took him an hour to repair the broken chair."),
    Sentence("Press the button twice to start the machine."),
    Sentence("The company was founded in 1998 by two friends."),
    Sentence("It costs $12.50 and weighs 3 kg."),
    Sentence("The meeting is on May 3, 2024."),
    Sentence("Dr. Smith and Mrs. Brown arrived at 4:30 pm.", "Dr. Smith and Mrs. Brown arrived at 4:30 p.m."),
    Sentence("About 75% of the tests pass now."),
    Sentence("Open https://example.com in your browser.", "Open example.com in your browser."),
    Sentence("The function read_file returns a list.", "The function read file returns a list."),
    Sentence("Set the value to 0.5 and try again."),
    Sentence("The parser lives in main.py, not in setup.py."),
    Sentence("He ran 100 meters in 12 seconds."),
    Sentence("The API answers with JSON over HTTP."),
    Sentence("Version 2 adds 1,000 new words."),
    Sentence("Chapter 21 begins on page 340."),
)
QUICK_SENTENCES = tuple(
    sentence
    for sentence in SENTENCES
    if sentence.text.startswith(
        ("We have 25", "Could you tell", "Nobody expected", "Press the button", "Close the window")
    )
)
"""The shortest: five, of which one has a number."""
LONG_TEXT = (
    "The tests are green. I have merged the branch into the main line. Two files have changed since yesterday. "
    "The first one reads the settings. The second one writes them back to the disk. Nothing else was touched. "
    "The next release can be made this week. Please tell me when I should begin."
)
"""Eight sentences."""
