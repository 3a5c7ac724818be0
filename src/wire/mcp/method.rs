//! The methods that clients may send, in which era each exists, and whom each concerns.
//!
//! The list is closed: a method that is not here is unknown and never forwarded.

use super::Era;

/// What a message of this method has to name for permission to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// Lists, the handshake, notifications: a key that may do anything on this server.
    Server,
    /// `params.name`, a tool.
    Tool,
    /// `params.name`, a prompt.
    Prompt,
    /// `params.uri`, a resource.
    Resource,
    /// `params.ref`, a prompt or a resource.
    Reference,
    /// `params.notifications`, resources and tasks to watch.
    Subscription,
    /// `params.taskId`, a task.
    Task,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Legacy,
    Modern,
    Both,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $concern:ident, $eras:ident;)*) => {
        /// A method or notification that some revision defines for clients.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// Anything else.
            Unknown,
        }

        impl Method {
            /// Every known method.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The method of this name, compared exactly.
            #[inline]
            pub fn parse(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Unknown,
                }
            }

            /// Its name on the wire; empty for the unknown one.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown => "",
                }
            }

            /// Whom a message of this method concerns.
            #[inline]
            pub fn concern(self) -> Concern {
                match self {
                    $(Self::$variant => Concern::$concern,)*
                    Self::Unknown => Concern::Server,
                }
            }

            fn eras(self) -> Option<In> {
                match self {
                    $(Self::$variant => Some(In::$eras),)*
                    Self::Unknown => None,
                }
            }
        }
    };
}

methods! {
    /// A tool is called.
    ToolsCall = "tools/call", Tool, Both;
    /// Tools are listed.
    ToolsList = "tools/list", Server, Both;
    /// A prompt is read.
    PromptsGet = "prompts/get", Prompt, Both;
    /// Prompts are listed.
    PromptsList = "prompts/list", Server, Both;
    /// A resource is read.
    ResourcesRead = "resources/read", Resource, Both;
    /// Resources are listed.
    ResourcesList = "resources/list", Server, Both;
    /// Resource templates are listed.
    ResourceTemplatesList = "resources/templates/list", Server, Both;
    /// Values for an argument are suggested; they may tell what the prompt or resource holds.
    Complete = "completion/complete", Reference, Both;
    /// What the server is and speaks.
    Discover = "server/discover", Server, Modern;
    /// Changes are watched on one long stream.
    SubscriptionsListen = "subscriptions/listen", Subscription, Modern;
    /// The handshake.
    Initialize = "initialize", Server, Legacy;
    /// Is anyone there.
    Ping = "ping", Server, Legacy;
    /// How much the server logs.
    SetLevel = "logging/setLevel", Server, Legacy;
    /// A resource is watched.
    ResourcesSubscribe = "resources/subscribe", Resource, Legacy;
    /// A resource is watched no longer.
    ResourcesUnsubscribe = "resources/unsubscribe", Resource, Legacy;
    /// A task's state.
    TasksGet = "tasks/get", Task, Both;
    /// A task's result.
    TasksResult = "tasks/result", Task, Legacy;
    /// A task is cancelled.
    TasksCancel = "tasks/cancel", Task, Both;
    /// Tasks are listed.
    TasksList = "tasks/list", Task, Legacy;
    /// A task gets input.
    TasksUpdate = "tasks/update", Task, Modern;
    /// The handshake is done.
    Initialized = "notifications/initialized", Server, Legacy;
    /// A request is no longer wanted.
    Cancelled = "notifications/cancelled", Server, Both;
    /// Progress of what the server asked for.
    Progress = "notifications/progress", Server, Both;
    /// The client's roots changed.
    RootsListChanged = "notifications/roots/list_changed", Server, Legacy;
    /// A task of the client's changed.
    TasksStatus = "notifications/tasks/status", Task, Legacy;
}

impl Method {
    /// Whether messages of this method carry no id.
    #[inline]
    pub fn is_notification(self) -> bool {
        matches!(
            self,
            Self::Initialized | Self::Cancelled | Self::Progress | Self::RootsListChanged | Self::TasksStatus
        )
    }

    /// Whether its answer stays open for as long as the client likes.
    #[inline]
    pub fn stays_open(self) -> bool {
        self == Self::SubscriptionsListen
    }

    /// Whether this era's revisions define the method.
    #[inline]
    pub fn exists_in(self, era: Era) -> bool {
        match self.eras() {
            Some(In::Both) => true,
            Some(In::Legacy) => era == Era::Legacy,
            Some(In::Modern) => era == Era::Modern,
            None => false,
        }
    }

    /// Whether a modern request of this method carries `Mcp-Name`.
    pub fn mirrors_name(self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead)
    }
}

#[cfg(test)]
mod tests {
    use super::{Era, Method};

    #[test]
    fn names_round_trip_exactly() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.name()), *method);
            assert_eq!(Method::parse(&method.name().to_uppercase()), Method::Unknown);
            assert_eq!(method.is_notification(), method.name().starts_with("notifications/"));
            assert!(method.exists_in(Era::Legacy) || method.exists_in(Era::Modern));
        }
        assert!(!Method::Unknown.exists_in(Era::Legacy));
    }
}
