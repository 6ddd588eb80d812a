//! The index's own `config.json`: where archives are.

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use serde::Deserialize;

use crate::download::Archive;
use crate::entry;
use crate::error::TemplateError;
use crate::source::{check_address, shown};

/// What follows an address without markers.
const SUFFIX: &str = "/{crate}/{version}/download";

/// Where one archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the network.
    Address(Url),
    /// On this machine.
    File(Utf8PathBuf),
}

/// Tells the place of every archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    dl: String,
    folder: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct Config {
    dl: String,
    #[serde(default, rename = "auth-required")]
    auth_required: bool,
}

impl Template {
    /// Reads a `config.json` that came from `address`. Only an index that is a `folder` may point
    /// to files.
    pub(crate) fn parse(
        text: &[u8],
        address: &str,
        folder: Option<&Utf8Path>,
    ) -> Result<Self, TemplateError> {
        let config: Config =
            serde_json::from_slice(text).map_err(|source| TemplateError::Json {
                address: address.to_owned(),
                source,
            })?;
        if config.auth_required {
            return Err(TemplateError::Login);
        }
        let mut template = Self {
            dl: config.dl,
            folder: folder.map(Utf8Path::to_owned),
        };
        let markers = [
            "{crate}",
            "{version}",
            "{prefix}",
            "{lowerprefix}",
            "{sha256-checksum}",
        ];
        if !markers.iter().any(|marker| template.dl.contains(marker)) {
            template.dl = format!("{}{SUFFIX}", template.dl.trim_end_matches('/'));
        }
        let example = Archive {
            name: "abcd",
            version: "1.0.0",
            checksum: "00",
        };
        template.place(&example)?;
        Ok(template)
    }

    /// Returns the place of an archive whose name, version and checksum are valid.
    pub(crate) fn place(&self, archive: &Archive<'_>) -> Result<Place, TemplateError> {
        let text = self
            .dl
            .replace("{crate}", archive.name)
            .replace("{version}", archive.version)
            .replace("{prefix}", &entry::prefix(archive.name))
            .replace(
                "{lowerprefix}",
                &entry::prefix(&archive.name.to_ascii_lowercase()),
            )
            .replace("{sha256-checksum}", archive.checksum);
        let Some(folder) = &self.folder else {
            return self.address(&text);
        };
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Place::File(folder.join(path)));
        }
        if text.contains("://") {
            return self.address(&text);
        }
        Ok(Place::File(folder.join(text)))
    }

    fn address(&self, text: &str) -> Result<Place, TemplateError> {
        let refuse = |reason: String| {
            let address = shown(if Url::parse(text).is_ok() {
                text
            } else {
                &self.dl
            });
            TemplateError::Address { address, reason }
        };
        let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
        check_address(&url).map_err(|reason| refuse(reason.to_owned()))?;
        Ok(Place::Address(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: Archive<'static> = Archive {
        name: "Serde-x",
        version: "1.0.0+a",
        checksum: "0123",
    };

    fn place(dl: &str, folder: Option<&str>) -> Result<String, String> {
        let config = serde_json::json!({ "dl": dl, "api": "x" }).to_string();
        let template = Template::parse(
            config.as_bytes(),
            "x/config.json",
            folder.map(Utf8Path::new),
        );
        match template.and_then(|template| template.place(&ARCHIVE)) {
            Ok(Place::Address(url)) => Ok(url.to_string()),
            Ok(Place::File(path)) => Ok(path.into_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn markers_are_replaced_or_the_usual_suffix_is_added() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(
            place("https://a.test/c", None),
            ok("https://a.test/c/Serde-x/1.0.0+a/download")
        );
        assert_eq!(
            place("https://a.test/c/", None),
            ok("https://a.test/c/Serde-x/1.0.0+a/download")
        );
        assert_eq!(
            place(
                "https://a.test/{prefix}/{lowerprefix}/{crate}-{version}.crate?{sha256-checksum}",
                None
            ),
            ok("https://a.test/Se/rd/se/rd/Serde-x-1.0.0+a.crate?0123")
        );
    }

    #[test]
    fn a_folder_may_point_to_files() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(
            place("archives/{crate}", Some("/r")),
            ok("/r/archives/Serde-x")
        );
        assert_eq!(place("file:///m/{crate}", Some("/r")), ok("/m/Serde-x"));
        assert_eq!(
            place("https://a.test/{crate}", Some("/r")),
            ok("https://a.test/Serde-x")
        );
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let errors = [
            place("file:///etc/{crate}", None).unwrap_err(),
            place("archives", None).unwrap_err(),
            place("https://user:secret@a.test/", None).unwrap_err(),
            Template::parse(
                b"{\"dl\":\"https://a.test\",\"auth-required\":true}",
                "a",
                None,
            )
            .unwrap_err()
            .to_string(),
            Template::parse(b"<html>", "https://a.test/config.json", None)
                .unwrap_err()
                .to_string(),
        ];
        insta::assert_snapshot!(errors.join("\n"), @"
        `dl` is `file:///etc/abcd`: only `https` and `http` are allowed
        `dl` is `archives/{crate}/{version}/download`: relative URL without a base
        `dl` is `https://a.test/abcd/1.0.0/download`: it carries credentials
        the registry demands a login (`auth-required`), which Orlop does not do
        `https://a.test/config.json` is not the configuration of an index
        ");
        assert!(!errors.concat().contains("secret"));
    }
}
