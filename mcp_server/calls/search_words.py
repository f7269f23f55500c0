"""The words by which people look for each tool.

Claude Code leaves the schemas of tools out until its model searches for them. Its search adds up points for each word of
the query: 12 for a word of the tool's name, 4 for a word of `_meta["anthropic/searchHint"]`, 2 for a word of the
description, all of them whole words without inflection (seen in Claude Code 2.1.330). The hints cost no context: no
model reads them. `docs/clients.md` has what the real client finds, made by `make tool-search`.
"""

from collections.abc import Mapping

SEARCH_WORDS: Mapping[str, str] = {
    "describe_image": "vision see look at view read analyze describe explain image picture photo screenshot screen UI "
    "design mockup diagram chart OCR extract text from image recognize alt text caption accessibility find detect "
    "locate object bounding box what is in",
    "generate_image": "text to image generation create make draw paint design picture icon logo favicon app-icon "
    "illustration artwork art banner hero og card thumbnail background texture sprite avatar placeholder photo png svg "
    "diffusion flux asset assets",
    "transcribe": "transcription transcript speech to text STT ASR dictation listen hear write down meeting minutes "
    "interview lecture call podcast voice memo note recording audio video subtitles captions srt vtt translate whisper",
    "speak": "text to speech TTS read aloud out loud say voice voiceover narrate narration narrator audio audiobook "
    "announce announcement talk sound mp3 wav speaker voices",
    "save_media": "save copy export put into project convert resize compress shrink crop optimize image png jpeg webp "
    "ico favicon mp3 wav srt file format asset transparent background",
    "media_status": "list which models voices local loaded installed available memory gpu jobs queue progress status",
    "get_job": "wait result finished running background poll progress job",
    "cancel_job": "stop abort cancel kill running job generation",
    "manage_model": "download install pull load unload free memory pin model weights local",
    "download_model": "download install pull get fetch model weights hugging face local",
    "measure_image": "measure pixels palette colors colours hex spacing gaps layout boxes sizes font size dimensions "
    "transparency screenshot design UI pixel color picker width height",
    "compare_images": "compare difference diff visual regression screenshots design match pixel pixels before after "
    "heat map heatmap similarity changed moved missing",
    "read_transcript": "search find in transcript meeting recording time range page part long passage minutes quote",
    "stop_speaking": "stop silence mute quiet shut up talking speaking playing playback voice audio sound",
    "regenerate": "again variation vary redo change edit another version seed image picture provenance",
}
"""Tool → words."""
SEARCH_META = "anthropic/searchHint"
"""The key in `_meta` of a tool; at most 4096 characters count."""
