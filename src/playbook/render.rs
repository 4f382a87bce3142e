//! Scripts are templates of the inventory: this puts the values in.
//!
//! The language is handlebars, less nearly all of it. `{{node.name}}` stands for a value and is **always quoted for
//! the shell**: do not quote it again, `"{{x}}"` is refused. `{{#each peers}}{{name}} {{address}}{{/each}}` repeats its
//! content. There is nothing else: no unquoted `{{{x}}}`, no helpers, no conditions; a step that needs them is a
//! Rust step. A name that is not known is an error. `\{{` stands for `{{` itself.
//!
//! | name | value |
//! |---|---|
//! | `node.name`, `node.address`, `node.failure_domain` | of the node the script runs on |
//! | `cluster.name`, `cluster.channel` | from `[cluster]` |
//! | `ssh.user` | the login name on the node that the inventory gives; `''` when it gives none |
//! | `peers` | all nodes, this one too: `name`, `address` |
//!
//! A value never holds a secret: secrets are not rendered into scripts.

use std::sync::{LazyLock, PoisonError, RwLock};

use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Context, Handlebars, RenderErrorReason, TemplateError, TemplateErrorReason};
use serde::Serialize;

use super::unquoted;
use crate::inventory::model::{Inventory, Node};

/// The values for the scripts of one node, or of no node in particular.
#[derive(Debug, Clone)]
pub struct RenderContext(Context);

#[derive(Serialize)]
struct Values<'a> {
    cluster: ClusterValues<'a>,
    ssh: SshValues<'a>,
    peers: Vec<PeerValues<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeValues<'a>>,
}

#[derive(Serialize)]
struct ClusterValues<'a> {
    name: &'a str,
    channel: &'a str,
}

#[derive(Serialize)]
struct SshValues<'a> {
    user: &'a str,
}

#[derive(Serialize)]
struct PeerValues<'a> {
    name: &'a str,
    address: String,
}

#[derive(Serialize)]
struct NodeValues<'a> {
    name: &'a str,
    address: String,
    failure_domain: u32,
}

impl RenderContext {
    /// The values for a node's scripts; without one, `node` is not known.
    pub fn new(inventory: &Inventory, node: Option<&Node>) -> Self {
        let user = node.and_then(|node| node.ssh.user.as_deref());
        Self::wrap(&Values {
            cluster: ClusterValues { name: &inventory.cluster.name, channel: &inventory.cluster.channel },
            ssh: SshValues { user: user.or(inventory.ssh.user.as_deref()).unwrap_or_default() },
            peers: inventory.nodes.iter().map(peer).collect(),
            node: node.map(|node| NodeValues {
                name: &node.name,
                address: node.address.to_string(),
                failure_domain: inventory.failure_domain(node),
            }),
        })
    }

    /// Made-up values, for trying a template out.
    pub(super) fn example() -> Self {
        let peer = |name, address: &str| PeerValues { name, address: address.to_owned() };
        Self::wrap(&Values {
            cluster: ClusterValues { name: "home", channel: "1.35/stable" },
            ssh: SshValues { user: "ubuntu" },
            peers: vec![peer("nuc1", "192.0.2.11"), peer("nuc2", "192.0.2.12")],
            node: Some(NodeValues { name: "nuc1", address: "192.0.2.11".to_owned(), failure_domain: 1 }),
        })
    }

    fn wrap(values: &Values) -> Self {
        // Strings and numbers in structs: there is nothing in them that JSON has no form for.
        Self(Context::wraps(values).unwrap_or_else(|_| Context::null()))
    }
}

fn peer(node: &Node) -> PeerValues<'_> {
    PeerValues { name: &node.name, address: node.address.to_string() }
}

/// Why a script could not be made of its template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// The line in the template, from one.
    pub line: usize,
    /// The column in the template, from one.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl RenderError {
    pub(super) fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into() }
    }
}

/// Templates by their own text: each is parsed once, however many nodes it is rendered for.
static TEMPLATES: LazyLock<RwLock<Handlebars<'static>>> = LazyLock::new(|| {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(quote);
    RwLock::new(handlebars)
});

/// Makes a script of a template.
pub fn render(template: &str, context: &RenderContext) -> Result<String, RenderError> {
    if !template.contains("{{") {
        return Ok(template.to_owned());
    }
    let known = TEMPLATES.read().unwrap_or_else(PoisonError::into_inner).has_template(template);
    if !known {
        let parsed = Template::compile(template).map_err(|error| syntax(&error))?;
        allowed(&parsed)?;
        unquoted::check(template)?;
        TEMPLATES.write().unwrap_or_else(PoisonError::into_inner).register_template(template, parsed);
    }
    let script =
        TEMPLATES.read().unwrap_or_else(PoisonError::into_inner).render_with_context(template, &context.0).map_err(
            |error| {
                let message = match error.reason() {
                    RenderErrorReason::MissingVariable(Some(name)) => unknown_name(name),
                    RenderErrorReason::MissingVariable(None) => "a name is not known here".to_owned(),
                    other => other.to_string(),
                };
                RenderError::new(error.line_no.unwrap_or(1), error.column_no.unwrap_or(1), message)
            },
        )?;
    if script.contains('\0') {
        return Err(RenderError::new(1, 1, "a value has a NUL character, which no script can have"));
    }
    Ok(script)
}

/// Quotes a value for a POSIX shell. A NUL is let through here and refused in the result.
fn quote(value: &str) -> String {
    shlex::Quoter::new().allow_nul(true).quote(value).map_or_else(|_| "\0".to_owned(), std::borrow::Cow::into_owned)
}

fn unknown_name(name: &str) -> String {
    const KNOWN: &[&str] =
        &["node.name", "node.address", "node.failure_domain", "cluster.name", "cluster.channel", "ssh.user", "peers"];
    let near = KNOWN
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 3)
        .min();
    match near {
        Some((_, known)) => format!("`{name}` is not known here; did you mean `{known}`?"),
        None => format!("`{name}` is not known here; there are {}", KNOWN.join(", ")),
    }
}

fn syntax(error: &TemplateError) -> RenderError {
    let (line, column) = error.pos().unwrap_or((1, 1));
    let message = match error.reason() {
        TemplateErrorReason::InvalidSyntax(_) => {
            "here a tag is not closed: `{{` needs its `}}`, `{{#each …}}` its `{{/each}}`".to_owned()
        }
        other => other.to_string(),
    };
    RenderError::new(line, column, message)
}

/// Refuses everything but values and `each`.
fn allowed(template: &Template) -> Result<(), RenderError> {
    for (element, place) in template.elements.iter().zip(&template.mapping) {
        let refuse = |message: &str| Err(RenderError::new(place.0, place.1, message));
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(value) if is_value(value) => {}
            TemplateElement::HelperBlock(block) if is_each(block) => {
                for part in [&block.template, &block.inverse].into_iter().flatten() {
                    allowed(part)?;
                }
            }
            TemplateElement::HtmlExpression(_) => {
                return refuse("{{{…}}} would put a value into the script unquoted; use {{…}}");
            }
            _ => {
                return refuse(
                    "only {{name}} and {{#each peers}}…{{/each}} are there; whoever needs more writes a Rust step",
                );
            }
        }
    }
    Ok(())
}

fn is_value(value: &HelperTemplate) -> bool {
    value.params.is_empty() && value.hash.is_empty() && !matches!(value.name, Parameter::Literal(_))
}

fn is_each(block: &HelperTemplate) -> bool {
    block.name.as_name() == Some("each") && block.hash.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(template: &str) -> Result<String, RenderError> {
        render(template, &RenderContext::example())
    }

    fn refused(template: &str) -> String {
        let error = rendered(template).expect_err("it is refused");
        format!("{}:{} {}", error.line, error.column, error.message)
    }

    #[test]
    fn values_are_put_in() {
        assert_eq!(
            rendered("hostname {{node.name}} {{node.address}} {{node.failure_domain}}").as_deref(),
            Ok("hostname nuc1 192.0.2.11 1")
        );
        assert_eq!(
            rendered("printf '%s %s\\n'{{#each peers}} {{address}} {{name}}{{/each}}").as_deref(),
            Ok("printf '%s %s\\n' 192.0.2.11 nuc1 192.0.2.12 nuc2")
        );
        assert_eq!(rendered("go \\{{.Name}}").as_deref(), Ok("go {{.Name}}"));
        assert_eq!(rendered("echo '${HOME}' <&2 & \"$x\"").as_deref(), Ok("echo '${HOME}' <&2 & \"$x\""));
    }

    #[test]
    fn what_is_not_there_is_refused_with_its_place() {
        insta::assert_snapshot!(
            [
                "echo {{node.nam}}",
                "a\necho {{nonsense}}",
                "echo {{{node.name}}}",
                "echo {{&node.name}}",
                "{{#if node.name}}x{{/if}}",
                "echo {{lookup peers 0}}",
                "echo {{> other}}",
                "echo {{node.name",
                "{{#each peers}}{{nam}}{{/each}}",
                "{{#each pears}}{{name}}{{/each}}",
                "{{#each peers}}x",
            ]
            .map(refused)
            .join("\n"),
            @r"
        1:6 `node.nam` is not known here; did you mean `node.name`?
        2:6 `nonsense` is not known here; there are node.name, node.address, node.failure_domain, cluster.name, cluster.channel, ssh.user, peers
        1:6 {{{…}}} would put a value into the script unquoted; use {{…}}
        1:6 {{{…}}} would put a value into the script unquoted; use {{…}}
        1:1 only {{name}} and {{#each peers}}…{{/each}} are there; whoever needs more writes a Rust step
        1:6 only {{name}} and {{#each peers}}…{{/each}} are there; whoever needs more writes a Rust step
        1:6 only {{name}} and {{#each peers}}…{{/each}} are there; whoever needs more writes a Rust step
        1:17 here a tag is not closed: `{{` needs its `}}`, `{{#each …}}` its `{{/each}}`
        1:16 `nam` is not known here; there are node.name, node.address, node.failure_domain, cluster.name, cluster.channel, ssh.user, peers
        1:1 `pears` is not known here; did you mean `peers`?
        1:17 here a tag is not closed: `{{` needs its `}}`, `{{#each …}}` its `{{/each}}`
        "
        );
    }

    proptest! {
        #[test]
        fn any_value_stays_one_word(value in "[^\0]*") {
            let quoted = quote(&value);
            prop_assert_eq!(shlex::split(&quoted), Some(vec![value]));
        }
    }
}
