//! The prompts of the demo's MCP server, and the completion of what they ask.
//!
//! They must never put anything in front of a model but the notebook's own
//! text, named as such.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, PromptMessage, Reference, Role};
use rmcp::{ErrorData, prompt, prompt_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Notebook;
use super::notes::Notes;
use super::resources;

/// The prompt whose argument is completed.
const SUMMARISE: &str = "summarise_note";
/// That argument; the template of the resources has a variable of the same name.
const TITLE: &str = "title";

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Summarise {
    /// The title of the note.
    title: String,
}

#[prompt_router(vis = "pub(super)")]
impl Notebook {
    #[prompt(title = "Daily briefing", description = "Asks for a briefing of the day from all the notes")]
    async fn daily_briefing(&self) -> Vec<PromptMessage> {
        let (notes, _) = self.notes.size();
        let text =
            format!("Search the {notes} notes of Heron Parcels and brief the drivers in five sentences.");
        vec![PromptMessage::new_text(Role::User, text)]
    }

    #[prompt(title = "Summarise a note", description = "Asks for a summary of one note")]
    async fn summarise_note(
        &self,
        Parameters(Summarise { title }): Parameters<Summarise>,
    ) -> Result<Vec<PromptMessage>, ErrorData> {
        let Some(note) = self.notes.get(&title) else {
            return Err(ErrorData::invalid_params("there is no note of that title", None));
        };
        let text = format!("Summarise the note \"{title}\" in one sentence:\n\n{note}");
        Ok(vec![PromptMessage::new_text(Role::User, text)])
    }
}

/// Completes a title by its first letters.
pub(super) fn complete(notes: &Notes, request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let known = match &request.r#ref {
        Reference::Prompt(prompt) => prompt.name == SUMMARISE,
        Reference::Resource(resource) => resource.uri == resources::TEMPLATE,
        _ => false,
    };
    if !known || request.argument.name != TITLE {
        return Err(ErrorData::invalid_params("nothing of that name can be completed", None));
    }
    let (titles, total) = notes.titles(&request.argument.value, CompletionInfo::MAX_VALUES);
    let more = total > titles.len();
    CompletionInfo::with_pagination(titles, u32::try_from(total).ok(), more)
        .map(CompleteResult::new)
        .map_err(|reason| ErrorData::internal_error(reason, None))
}
