"""What the official conformance suite calls by name to see a server ask its client: for input, a completion, folders.

A resolver's question travels in the way of the client's protocol revision; the three that the suite answers by the
question's own name, or asks of a client that cannot answer everything, return it themselves.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ListRoots, Resolve, Sample
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequests,
    InputRequiredResult,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, Field, JsonValue

NAME = ElicitRequest(
    params=ElicitRequestFormParams(
        message="What is your name?",
        requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    )
)
CAPITAL = (SamplingMessage(role="user", content=TextContent(type="text", text="What is the capital of France?")),)


class Person(BaseModel):
    """Two texts."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """A default value of every kind."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def choices(prefix: str, title: str) -> list[JsonValue]:
    """Three values with titles."""
    return [{"const": f"{prefix}{number}", "title": f"{title} {number}"} for number in (1, 2, 3)]


class Choices(BaseModel):
    """A choice of every kind."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})
    titledSingle: str = Field(json_schema_extra={"oneOf": choices("value", "Option")})
    legacyEnum: str = Field(
        json_schema_extra={"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]}
    )
    untitledMulti: list[str] = Field(json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2"]}})
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": choices("value", "Choice")}})


class Confirmation(BaseModel):
    """Yes or no."""

    ok: bool


class Name(BaseModel):
    """A name."""

    name: str


class Colour(BaseModel):
    """A colour."""

    color: str


async def confirm() -> Elicit[Confirmation]:
    """Ask for a confirmation."""
    return Elicit("Please confirm", Confirmation)


async def name() -> Elicit[Name]:
    """Ask for a name."""
    return Elicit("Step 1: What is your name?", Name)


async def colour(name: Annotated[Name, Resolve(name)]) -> Elicit[Colour]:
    """Ask for a colour once the name is known."""
    return Elicit("Step 2: What is your favorite color?", Colour)


async def capital() -> Sample:
    """Ask the client's model."""
    return Sample(list(CAPITAL), max_tokens=100)


async def roots() -> ListRoots:
    """Ask for the client's folders."""
    return ListRoots()


def add_questions(server: MCPServer[Any]) -> None:
    """Register the suite's tools and prompts that ask the client something."""
    add_forms(server)
    add_requests(server)
    add_answers_by_name(server)


def add_forms(server: MCPServer[Any]) -> None:
    """Tools that ask the user."""

    async def person(message: str) -> Elicit[Person]:
        return Elicit(message, Person)

    async def defaults() -> Elicit[Defaults]:
        return Elicit("Please provide user information", Defaults)

    async def chosen() -> Elicit[Choices]:
        return Elicit("Please choose", Choices)

    @server.tool(structured_output=False)
    async def test_elicitation(message: str, answer: Annotated[Person, Resolve(person)]) -> str:
        """Ask for two texts."""
        return f"User response: action=accept, content={answer.model_dump_json()}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(answer: Annotated[Defaults, Resolve(defaults)]) -> str:
        """Ask with default values."""
        return f"Elicitation completed: action=accept, content={answer.model_dump_json()}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(answer: Annotated[Choices, Resolve(chosen)]) -> str:
        """Ask for choices."""
        return f"Elicitation completed: action=accept, content={answer.model_dump_json()}"

    async def confirmed(answer: Annotated[Confirmation, Resolve(confirm)]) -> str:
        """Ask for a confirmation, and know one's own state again."""
        return f"state-ok {answer.ok}"

    for tool in (
        "test_input_required_result_request_state",
        "test_input_required_result_tampered_state",
        "test_streaming_elicitation",
    ):
        server.tool(tool, structured_output=False)(confirmed)

    @server.tool(structured_output=False)
    async def test_input_required_result_multi_round(answer: Annotated[Colour, Resolve(colour)]) -> str:
        """Ask twice."""
        return f"Your colour is {answer.color}."


def add_requests(server: MCPServer[Any]) -> None:
    """Tools that ask the client's model, or for its folders."""

    async def prompted(prompt: str) -> Sample:
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        return Sample([message], max_tokens=100)

    @server.tool(structured_output=False)
    async def test_sampling(prompt: str, answer: Annotated[CreateMessageResult, Resolve(prompted)]) -> str:
        """Pass a prompt on."""
        return f"LLM response: {answer.content}"

    async def completed(answer: Annotated[CreateMessageResult, Resolve(capital)]) -> str:
        """Ask the client's model."""
        return str(answer.content)

    for tool in ("test_input_required_result_sampling", "test_missing_capability"):
        server.tool(tool, structured_output=False)(completed)

    @server.tool(structured_output=False)
    async def test_input_required_result_list_roots(answer: Annotated[ListRootsResult, Resolve(roots)]) -> str:
        """Ask for the client's folders."""
        return f"Roots: {[str(root.uri) for root in answer.roots]}"

    @server.tool(structured_output=False)
    async def test_input_required_result_multiple_inputs(
        person: Annotated[Name, Resolve(name)],
        answer: Annotated[CreateMessageResult, Resolve(capital)],
        folders: Annotated[ListRootsResult, Resolve(roots)],
    ) -> str:
        """Ask for everything at once."""
        return f"{person.name}, {answer.content}, {len(folders.roots)}"


def add_answers_by_name(server: MCPServer[Any]) -> None:
    """Two tools and a prompt that return their questions themselves."""

    @server.tool(structured_output=False)
    async def test_input_required_result_elicitation(ctx: Context[Any, Any]) -> str | InputRequiredResult:
        """Ask for a name until there is one."""
        answer = accepted(ctx, "user_name")
        return f"Hello, {answer['name']}!" if answer else InputRequiredResult(input_requests={"user_name": NAME})

    @server.tool(structured_output=False)
    async def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> str | InputRequiredResult:
        """Ask only what the client can answer."""
        able = ctx.client_capabilities
        sampling = CreateMessageRequest(params=CreateMessageRequestParams(messages=list(CAPITAL), max_tokens=100))
        asked: InputRequests = {"user_name": NAME} if able and able.elicitation else {}
        asked |= {"capital": sampling} if able and able.sampling else {}
        return InputRequiredResult(input_requests=asked) if asked else "Nothing to ask."

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Context[Any, Any]) -> str | InputRequiredResult:
        """Ask for what the prompt needs."""
        answer = accepted(ctx, "user_context")
        return f"Context: {answer}" if answer else InputRequiredResult(input_requests={"user_context": NAME})


def accepted(ctx: Context[Any, Any], question: str) -> Mapping[str, Any] | None:
    """The user's answer to a question of the last round, None without one."""
    answer = (ctx.input_responses or {}).get(question)
    return answer.content if isinstance(answer, ElicitResult) and answer.action == "accept" else None
